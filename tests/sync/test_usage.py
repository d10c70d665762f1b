"""What usage teaches: a search, then a call that went well; and everything that teaches nothing."""

from __future__ import annotations

from typing import Any

import pytest

from domain.events import Event, EventKind, Outcome
from domain.questions import QuestionSource
from store.store import Store
from sync.usage import UsageLearner
from tests.store.making import NOW, TENANT

pytestmark = pytest.mark.anyio

READ, WRITE = "files__read", "files__write"


def search(*asked: tuple[str, list[str]], session: str | None = "s_1", tenant: str = TENANT) -> Event:
    answers = [{"query": query, "shown": shown} for query, shown in asked]
    return Event(tenant, "local", EventKind.SEARCH, NOW, session, body={"answers": answers})


def call(tool: str = READ, outcome: Outcome = Outcome.OK, **more: Any) -> Event:
    session = more.pop("session", "s_1")
    return Event(
        more.pop("tenant", TENANT), "local", EventKind.CALL, NOW, session, None, outcome, body={"tool_id": tool}
    )


async def learnt(store: Store, *events: Event) -> dict[str, set[str]]:
    """Question texts by tool, after these events were logged and read."""
    await store.events.append(events)
    await UsageLearner(store, [TENANT], lambda: None).learn()
    found = await store.questions.of([(TENANT, READ), (TENANT, WRITE)])
    assert all(question.source is QuestionSource.USAGE for of_tool in found.values() for question in of_tool)
    return {tool: {question.text for question in of_tool} for (_, tool), of_tool in found.items()}


async def test_a_search_whose_tool_was_called_well_is_a_question_of_that_tool(store: Store) -> None:
    assert await learnt(store, search(("open the report", [WRITE, READ])), call(READ)) == {READ: {"open the report"}}


async def test_of_several_queries_the_one_that_ranked_the_tool_highest_asked_for_it(store: Store) -> None:
    asked = search(("save a note", [WRITE, READ]), ("open the report", [READ, WRITE]))
    assert await learnt(store, asked, call(READ), call(WRITE)) == {READ: {"open the report"}, WRITE: {"save a note"}}


async def test_values_are_not_remembered_and_what_may_hold_a_secret_not_at_all(store: Store) -> None:
    events = (
        search(("mail 20 copies to ann@example.org", [READ])),
        call(READ),
        search(("save that my password is hunter2", [WRITE])),
        call(WRITE),
    )
    assert await learnt(store, *events) == {READ: {"mail number copies to email"}}


@pytest.mark.parametrize("outcome", [outcome for outcome in Outcome if outcome is not Outcome.OK])
async def test_a_call_that_failed_teaches_nothing(store: Store, outcome: Outcome) -> None:
    assert await learnt(store, search(("open the report", [READ])), call(READ, outcome)) == {}


@pytest.mark.parametrize(
    "events",
    [
        (search(("open the report", [WRITE])), call(READ)),
        (search(("open the report", [READ]), session="s_2"), call(READ)),
        (call(READ), search(("open the report", [READ]))),
        (search(("open the report", [READ]), session=None), call(READ, session=None)),
        (search(("open the report", [READ]), tenant="other"), call(READ, tenant="other")),
    ],
    ids=["not shown", "another session", "called before", "no session", "a tenant that did not agree"],
)
async def test_a_call_that_no_search_led_to_teaches_nothing(store: Store, events: tuple[Event, ...]) -> None:
    assert await learnt(store, *events) == {}


async def test_a_need_counts_once_however_often_the_tool_is_called(store: Store) -> None:
    assert await learnt(store, search(("open the report", [READ])), call(READ), call(READ), call(READ))
    [question] = (await store.questions.of([(TENANT, READ)]))[TENANT, READ]
    assert question.uses == 1.0


async def test_every_event_is_read_once_across_starts_and_batches(store: Store) -> None:
    await learnt(store, search(("open the report", [READ])), call(READ))
    await learnt(store, search(("open the report", [READ])))
    await learnt(store, call(READ))
    [question] = (await store.questions.of([(TENANT, READ)]))[TENANT, READ]
    assert question.uses == 2.0


async def test_an_index_is_woken_only_when_there_is_something_to_follow(store: Store) -> None:
    woken: list[int] = []
    turns = iter([0, 0])

    async def two_rounds(_seconds: float) -> None:
        if next(turns, None) is None:
            raise KeyboardInterrupt

    await store.events.append([search(("open the report", [READ])), call(READ)])
    learner = UsageLearner(store, [TENANT], lambda: woken.append(1), sleep=two_rounds)
    with pytest.raises(KeyboardInterrupt):
        await learner.run()
    assert woken == [1]

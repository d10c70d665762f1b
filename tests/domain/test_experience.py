"""What the log says of tools: a pure fold into records and cases, and what it offers to a new need."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from domain.events import Event, EventKind, Outcome
from domain.experience import MAX_CASES, MOST_OFFERS, Experience


def search(query: str, *shown: str, session: str = "s_1") -> Event:
    answers = [{"query": query, "shown": list(shown)}]
    return Event("default", "ada", EventKind.SEARCH, 1.0, session_id=session, body={"answers": answers})


def call(tool_id: str, outcome: Outcome = Outcome.OK, *, session: str | None = "s_1", error: str = "") -> Event:
    body = {"tool_id": tool_id, **({"error": error} if error else {})}
    return Event("default", "ada", EventKind.CALL, 2.0, session_id=session, outcome=outcome, latency_ms=10.0, body=body)


def experience(*events: Event) -> Experience:
    made = Experience(lambda query: query)
    for event in events:
        made.take(event)
    return made


def test_a_tool_that_worked_for_similar_words_is_offered_with_a_reason() -> None:
    known = experience(search("convert a pdf report to text", "pdf__extract", "web__get"), call("pdf__extract"))
    [offer] = known.offers("convert the pdf reports to plain text")
    assert (offer.tool_id, offer.worked, offer.tried) == ("pdf__extract", 1, 1)
    assert known.offers("what is the weather") == []


def test_a_tool_that_was_called_without_having_been_found_is_no_case() -> None:
    assert experience(call("pdf__extract")).offers("convert a pdf report") == []
    other = experience(search("convert a pdf", "pdf__extract", session="s_2"), call("pdf__extract", session="s_1"))
    assert other.offers("convert a pdf") == []


def test_what_failed_more_often_than_it_worked_is_not_offered() -> None:
    known = experience(
        search("convert a pdf report", "pdf__extract"),
        call("pdf__extract", Outcome.TIMEOUT),
        call("pdf__extract", Outcome.TIMEOUT),
    )
    assert known.offers("convert a pdf report") == []
    known.take(call("pdf__extract"))
    assert known.offers("convert a pdf report") == []
    for _ in range(2):
        known.take(search("convert a pdf report", "pdf__extract"))
        known.take(call("pdf__extract"))
    [offer] = known.offers("convert a pdf report")
    assert (offer.worked, offer.tried) == (3, 5)


def test_a_need_that_was_met_counts_once_however_often_the_tool_is_called() -> None:
    known = experience(search("convert a pdf report", "pdf__extract"), *[call("pdf__extract")] * 5)
    assert known.offers("convert a pdf report")[0].worked == 1
    assert known.records["pdf__extract"].calls == 5


def test_the_tool_that_worked_more_often_is_offered_first() -> None:
    known = experience(
        *(event for tool in ("a__x", "b__x", "b__x", "c__x") for event in (search("send an invoice", tool), call(tool)))
    )
    offers = known.offers("send an invoice")
    assert [offer.tool_id for offer in offers] == ["b__x", "a__x"]
    assert len(offers) == MOST_OFFERS


def test_records_count_outcomes_and_name_the_common_errors() -> None:
    known = experience(
        call("a__x"),
        call("a__x", Outcome.TOOL_ERROR),
        call("a__x", Outcome.TIMEOUT, error="upstream_timeout"),
        call("a__x", Outcome.TIMEOUT, error="upstream_timeout"),
        call("a__x", Outcome.REFUSED, error="tool_not_found"),
    )
    record = known.records["a__x"]
    assert (record.calls, record.succeeded, record.success_rate) == (4, 1, 0.25)
    assert record.common_errors == [("upstream_timeout", 2), ("tool_error", 1)]
    assert record.latency_ms == 40.0


def test_what_must_not_be_remembered_is_not() -> None:
    known = Experience(lambda query: None if "password" in query else query)
    for event in (search("change the password of ada", "a__x"), call("a__x")):
        known.take(event)
    assert known.offers("change the password of ada") == []
    assert known.records["a__x"].calls == 1


def test_the_oldest_needs_are_forgotten_with_their_words() -> None:
    known = experience()
    for number in range(MAX_CASES + 50):
        known.take(search(f"thing{number} other{number}", "a__x"))
        known.take(call("a__x"))
    assert known.offers("thing1 other1") == []
    assert len(known.offers(f"thing{MAX_CASES} other{MAX_CASES}")) == 1
    assert len(known._with_term) == 2 * MAX_CASES


@given(st.integers(0, 10_000))
def test_the_same_events_give_the_same_offers(seed: int) -> None:
    dice = random.Random(seed)
    words = ["report", "invoice", "weather", "file", "send", "read"]
    events = []
    for _ in range(40):
        session = f"s_{dice.randrange(3)}"
        tools = dice.sample(["a__x", "b__x", "c__x"], 2)
        events.append(search(" ".join(dice.sample(words, 2)), *tools, session=session))
        events.append(call(dice.choice(tools), dice.choice([Outcome.OK, Outcome.TIMEOUT]), session=session))
    one, other = experience(*events), experience(*events)
    for query in words:
        offers = one.offers(f"{query} now")
        assert offers == other.offers(f"{query} now")
        assert all(2 * offer.worked >= offer.tried for offer in offers)

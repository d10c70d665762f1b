"""An engine elsewhere that is late or away: left alone for a while, and answered for by the standby, which says so."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from domain.candidates import Candidate, Ranking
from domain.circuit import Circuit, Patience
from domain.errors import IndexUnavailable, InvalidInput
from index.engines.guarded import GuardedEngine
from index.engines.memory import MemoryEngine
from index.ports import DenseLeg, Filter, Hit, Leg, SearchRequest
from index.standby import StandbySearch
from tests.index.samples import TENANT, document, point, unit

pytestmark = pytest.mark.anyio

ASKED = SearchRequest(TENANT, ("read",))
LEGS = [DenseLeg("concat", unit([1.0]), 5)]


class Moody(MemoryEngine):
    """Answers, fails or hangs."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.mood = "well"

    async def search(self, legs: Sequence[Leg], where: Filter) -> list[list[Hit]]:
        self.asked += 1
        if self.mood == "hanging":
            await asyncio.Event().wait()
        if self.mood == "failing":
            raise IndexUnavailable("out of order")
        return await super().search(legs, where)


@dataclass
class Says:
    """A searcher that gives one answer, or raises."""

    tool: str
    error: Exception | None = None
    degraded: tuple[str, ...] = ()
    asked: list[SearchRequest] = field(default_factory=list)

    async def search(self, request: SearchRequest) -> list[Ranking]:
        self.asked.append(request)
        if self.error is not None:
            raise self.error
        return [Ranking("read", (Candidate(self.tool, "s", 1.0),), "hybrid", degraded=self.degraded)]


def guarded(engine: Moody, now: list[float]) -> GuardedEngine:
    patience = Patience(failures=2, first_s=1.0, last_s=1.0)
    return GuardedEngine(engine, Circuit(patience, clock=lambda: now[0], chance=lambda: 0.0), 0.02)


async def test_what_does_not_answer_in_time_is_named_and_then_left_alone() -> None:
    engine, now = Moody(), [0.0]
    await engine.upsert([point(document("s__a"), [1.0])])
    guard = guarded(engine, now)
    engine.mood = "hanging"

    for _ in range(2):
        with pytest.raises(IndexUnavailable, match=r"within 0\.02 s"):
            await guard.search(LEGS, Filter(TENANT))
    with pytest.raises(IndexUnavailable, match="left alone"):
        await guard.search(LEGS, Filter(TENANT))
    assert engine.asked == 2

    engine.mood, now[0] = "well", 1.0
    [hits] = await guard.search(LEGS, Filter(TENANT))
    assert [hit.tool_id for hit in hits] == ["s__a"]


async def test_one_failure_between_answers_leaves_nothing_alone() -> None:
    engine = Moody()
    guard = guarded(engine, [0.0])
    for mood in ("failing", "well", "failing", "well"):
        engine.mood = mood
        if mood == "failing":
            with pytest.raises(IndexUnavailable, match="out of order"):
                await guard.search(LEGS, Filter(TENANT))
        else:
            assert await guard.search(LEGS, Filter(TENANT)) == [[]]


async def test_a_search_that_is_given_up_by_its_caller_says_nothing_about_the_server() -> None:
    engine = Moody()
    guard = guarded(engine, [0.0])
    engine.mood = "hanging"
    for _ in range(3):
        asked = asyncio.create_task(guard.search(LEGS, Filter(TENANT)))
        await asyncio.sleep(0)
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)

    engine.mood = "well"
    assert await guard.search(LEGS, Filter(TENANT)) == [[]]


async def test_the_standby_answers_for_an_index_that_is_away_and_marks_it() -> None:
    standby = Says("s__near", degraded=("embedder",))

    [ranking] = await StandbySearch(Says("", IndexUnavailable()), standby).search(ASKED)

    assert [candidate.tool_id for candidate in ranking.candidates] == ["s__near"]
    assert ranking.degraded == ("embedder", "index")


async def test_the_standby_is_not_asked_while_the_index_answers_or_the_request_is_wrong() -> None:
    standby = Says("s__near")

    [ranking] = await StandbySearch(Says("s__far"), standby).search(ASKED)
    with pytest.raises(InvalidInput):
        await StandbySearch(Says("", InvalidInput()), standby).search(ASKED)

    assert ranking.degraded == ()
    assert standby.asked == []


async def test_when_both_are_away_the_search_says_so() -> None:
    with pytest.raises(IndexUnavailable):
        await StandbySearch(Says("", IndexUnavailable()), Says("", IndexUnavailable())).search(ASKED)

"""Outcome-aware ranking through the HTTP API: it moves tools within the answer, is seen, and is reset per tenant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.candidates import Candidate, Ranking
from domain.events import Event, EventKind, Outcome
from domain.identity import LOCAL
from domain.outcome_prior import Outcomes
from gateway.outcome_search import OutcomeSearch
from gateway.settings import Settings
from gateway.wiring import Toolcrib, open_toolcrib
from index.ports import SearchRequest
from index.ranking.order import EXACT
from tests.gateway.toolcribs import a_crib, asking

pytestmark = pytest.mark.anyio

NAMES = ["read_notes", "read_note", "list_letters"]
QUERY = "read the notes"


async def search(http: httpx2.AsyncClient, query: str = QUERY) -> list[str]:
    answer = (await http.post("/api/v1/search", json={"queries": [query], "k": 3})).json()
    return [found["tool_id"] for found in answer["results"][0]["candidates"]]


async def calls(crib: Toolcrib, tool_id: str, outcome: Outcome, times: int = 200) -> None:
    for _ in range(times):
        body = {"tool_id": tool_id, "server": "files"}
        crib.journal.record(Event(LOCAL.tenant, "ada", EventKind.CALL, 1e12, outcome=outcome, body=body))
    await crib.journal.flush()
    await crib.experiences.catch_up(LOCAL.tenant)


async def test_a_tool_that_keeps_failing_falls_behind_and_stays_in_the_answer(tmp_path: Path) -> None:
    async with a_crib(tmp_path, NAMES) as crib, asking(crib) as http:
        before = await search(http)
        await calls(crib, before[0], Outcome.TOOL_ERROR)
        after = await search(http)
        assert set(after) == set(before)
        assert after[0] != before[0]
        assert before[0] in await search(http, before[0].partition("__")[2])


async def test_how_often_it_changes_an_order_is_told(tmp_path: Path) -> None:
    async with a_crib(tmp_path, NAMES) as crib, asking(crib) as http:
        first = (await search(http))[0]
        told = (await http.get("/api/v1/policy")).json()["outcome_ranking"]
        assert (told["changed"], told["hit_rate"]) == (0, 0.0)
        await calls(crib, first, Outcome.TOOL_ERROR)
        await search(http)

        after = (await http.get("/api/v1/policy")).json()["outcome_ranking"]
        assert after["changed"] == 1
        assert after["hit_rate"] == round(1 / after["asked"], 4)


async def test_what_is_switched_off_has_no_hit_rate(tmp_path: Path) -> None:
    off = Settings(data=tmp_path, outcome_ranking=False, restart_early=False)
    async with open_toolcrib(off, follow=False) as crib, asking(crib) as http:
        told = (await http.get("/api/v1/policy")).json()
        assert (told["outcome_ranking"], told["restart_early"]) == (None, None)


async def test_what_was_counted_is_seen_and_forgotten_for_good(tmp_path: Path) -> None:
    async with a_crib(tmp_path, NAMES) as crib, asking(crib) as http:
        before = await search(http)
        await calls(crib, before[0], Outcome.TOOL_ERROR)
        (seen,) = (await http.get("/api/v1/outcomes")).json()["tools"]
        assert (seen["tool_id"], seen["succeeded"]) == (before[0], 0.0)
        assert seen["factor"] < 0.55
        assert (await http.delete("/api/v1/outcomes", params={"tool": before[0]})).status_code == 204
        assert await search(http) == before
    async with open_toolcrib(Settings(data=tmp_path), follow=False) as again, asking(again) as http:
        assert (await http.get("/api/v1/outcomes")).json()["tools"] == []


async def test_switched_off_it_changes_nothing(tmp_path: Path) -> None:
    async with a_crib(tmp_path, NAMES) as crib, asking(crib) as http:
        before = await search(http)
        await calls(crib, before[0], Outcome.TOOL_ERROR)
    settings = Settings(data=tmp_path, outcome_ranking=False)
    async with open_toolcrib(settings, follow=False) as again, asking(again) as http:
        await again.experiences.catch_up(LOCAL.tenant)
        assert await search(http) == before


class _Found:
    def __init__(self, *candidates: Candidate) -> None:
        self._ranking = Ranking("q", candidates, "hybrid")

    async def search(self, _request: SearchRequest) -> list[Ranking]:
        return [self._ranking]


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans(), st.integers(0, 50)), max_size=10))
async def test_nothing_leaves_an_answer_and_what_is_named_keeps_its_place(tools: list[tuple[float, bool, int]]) -> None:
    outcomes = Outcomes()
    candidates = []
    for number, (score, named, failures) in enumerate(sorted(tools, reverse=True)):
        stages: dict[str, float] = {EXACT: 1.0} if named else {}
        candidates.append(Candidate(f"t{number}", "files", score, stages))
        body: dict[str, Any] = {"tool_id": f"t{number}", "server": "files"}
        for _ in range(failures):
            outcomes.take(Event("default", "ada", EventKind.CALL, 1e12, outcome=Outcome.TIMEOUT, body=body))
    stage = OutcomeSearch(_Found(*candidates), lambda _tenant: outcomes)
    (ranking,) = await stage.search(SearchRequest("default", ("q",), 10, "hybrid"))
    assert {one.tool_id for one in ranking.candidates} == {one.tool_id for one in candidates}
    for place, one in enumerate(candidates):
        if EXACT in one.stages:
            assert ranking.candidates[place].tool_id == one.tool_id

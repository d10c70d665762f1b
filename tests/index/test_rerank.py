"""The reranking stage: what it may change, what it must keep, and what happens when the model is away."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.candidates import Candidate, Ranking
from domain.errors import ModelUnavailable, StoreUnavailable
from index.ports import SearchRequest
from index.ranking.order import EXACT, PREFIX
from index.rerank import UNTOUCHED, RerankedSearch, RerankLimits, RerankStage, with_included
from index.rerankers.fake import SharedWordsReranker

pytestmark = pytest.mark.anyio

TENANT = "acme"


def candidate(number: int, *, count: int = 40, stages: Mapping[str, float] | None = None) -> Candidate:
    return Candidate(f"s__tool_{number:02}", "s", 1 - number / count, dict(stages or {"fused": 1.0}))


class Inner:
    """Finds forty tools, the same for every query; tool 29 says what the tests look for."""

    def __init__(self, named: Mapping[int, str] | None = None) -> None:
        named = named or {}
        self.found = [candidate(n, stages={named[n]: 1.0} if n in named else None) for n in range(40)]
        self.asked: list[SearchRequest] = []

    async def search(self, request: SearchRequest) -> list[Ranking]:
        self.asked.append(request)
        shown = self.found[: max(request.depth, request.k + 3)]
        return [
            Ranking(query, tuple(shown[: request.k]), request.profile, nearest=tuple(shown[request.k :]))
            for query in request.queries
        ]


async def texts(_tenant: str, tool_ids: Sequence[str]) -> Mapping[str, str]:
    return {one: "fold a paper boat" if one.endswith("29") else "something else" for one in tool_ids}


class Broken(SharedWordsReranker):
    def __init__(self, answer: Sequence[float] | None = None) -> None:
        self.answer = answer

    async def scores(self, query: str, documents: Sequence[str]) -> list[float]:
        del query, documents
        if self.answer is None:
            raise ModelUnavailable("It is away.")
        return list(self.answer)


class Late(SharedWordsReranker):
    async def scores(self, query: str, documents: Sequence[str]) -> list[float]:
        del query, documents
        await asyncio.Event().wait()
        return []


REQUEST = SearchRequest(TENANT, ("paper boat", "else"), k=5)


async def test_a_tool_that_the_model_likes_comes_up_from_the_depth() -> None:
    inner = Inner()
    reranked = RerankedSearch(inner, RerankStage(SharedWordsReranker(), texts))
    boat, _ = await reranked.search(REQUEST)
    [plain, _] = await inner.search(REQUEST)
    assert [one.tool_id[-2:] for one in plain.candidates] == ["00", "01", "02", "03", "04"]
    assert [one.tool_id[-2:] for one in boat.candidates] == ["29", "00", "01", "02", "03"]
    assert [one.stages["rerank"] for one in boat.candidates] == [1, 0, 0, 0, 0]
    assert len(boat.nearest) == 3
    assert "rerank" in boat.timings_ms
    assert inner.asked[0] == replace(REQUEST, depth=30)
    assert plain.degraded == boat.degraded == ()


async def test_the_models_share_of_the_score_is_a_setting() -> None:
    for share, first in ((0.0, "s__tool_00"), (1.0, "s__tool_29")):
        stage = RerankStage(SharedWordsReranker(), texts, RerankLimits(share=share))
        boat, _ = await RerankedSearch(Inner(), stage).search(REQUEST)
        assert boat.candidates[0].tool_id == first


async def test_named_tools_stay_whatever_the_model_says() -> None:
    inner = Inner({1: EXACT, 4: PREFIX})
    stage = RerankStage(SharedWordsReranker(), texts, RerankLimits(share=1.0))
    boat, _ = await RerankedSearch(inner, stage).search(REQUEST)
    found = [one.tool_id for one in boat.candidates]
    assert found[:2] == ["s__tool_01", "s__tool_29"]
    assert "s__tool_04" in found


@pytest.mark.parametrize("reranker", [Broken(), Broken([]), Broken([1.0]), Late()])
async def test_a_model_that_fails_leaves_the_plain_answer_and_is_named(reranker: SharedWordsReranker) -> None:
    inner = Inner()
    reranked = RerankedSearch(inner, RerankStage(reranker, texts, RerankLimits(deadline_s=0.01)))
    plain = await inner.search(REQUEST)
    assert await reranked.search(REQUEST) == [replace(one, degraded=("reranker",)) for one in plain]


async def test_a_store_that_is_away_leaves_the_plain_answer_too() -> None:
    async def away(_tenant: str, _tool_ids: Sequence[str]) -> Mapping[str, str]:
        raise StoreUnavailable

    reranked = RerankedSearch(Inner(), RerankStage(SharedWordsReranker(), away))
    assert [one.degraded for one in await reranked.search(REQUEST)] == [("reranker",)] * 2


@pytest.mark.parametrize("profile", sorted(UNTOUCHED))
async def test_some_profiles_are_not_reranked(profile: str) -> None:
    inner = Inner()
    reranked = RerankedSearch(inner, RerankStage(Broken(), texts))
    assert await reranked.search(replace(REQUEST, profile=profile)) == await inner.search(
        replace(REQUEST, profile=profile)
    )


async def test_tools_that_left_the_catalogue_do_not_disturb() -> None:
    async def some(_tenant: str, tool_ids: Sequence[str]) -> Mapping[str, str]:
        return {one: "paper" for one in tool_ids if one != "s__tool_00"}

    boat, _ = await RerankedSearch(Inner(), RerankStage(SharedWordsReranker(), some)).search(REQUEST)
    assert len(boat.candidates) == 5


@given(st.sets(st.integers(0, 29), max_size=12), st.integers(0, 30))
def test_what_is_included_stays_and_nothing_is_lost_or_doubled(included: set[int], count: int) -> None:
    order = [candidate(n) for n in range(30)]
    wanted = {order[n].tool_id for n in included}
    after = with_included(order, wanted, count)
    assert sorted(after, key=lambda one: one.tool_id) == order
    first = {one.tool_id for one in after[:count]}
    assert wanted <= first or len(wanted) > count

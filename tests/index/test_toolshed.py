"""Profile `toolshed`: what the model proposes is used, what it fails at costs no candidate."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.candidates import Candidate, Ranking
from domain.errors import ModelUnavailable
from index.plans import MAX_CHARS, MAX_STEPS, VARIATIONS, Plan, Step, plan_of
from index.ports import SearchRequest
from index.rerank import RerankStage
from index.rerankers.fake import SharedWordsReranker
from index.toolshed import ToolshedSearch, ToolshedStages, share_out

pytestmark = pytest.mark.anyio

TOOLS = ["s__fold_boat", "s__fold_plane", "s__cut_paper", "s__send_mail", "s__read_mail", "s__draw_map", "s__sing_song"]


class Inner:
    """Ranks by the words that a query shares with a tool's name, then by name; at most k of those."""

    def __init__(self) -> None:
        self.asked: list[SearchRequest] = []

    async def search(self, request: SearchRequest) -> list[Ranking]:
        self.asked.append(request)
        return [self.rank(query, request) for query in request.queries]

    def rank(self, query: str, request: SearchRequest) -> Ranking:
        words = set(query.lower().split())
        scored = [Candidate(name, "s", float(len(words & set(name[3:].split("_"))))) for name in TOOLS]
        best = sorted(scored, key=lambda one: (-one.score, one.tool_id))[: request.k + 3]
        return Ranking(query, tuple(best[: request.k]), request.profile, nearest=tuple(best[request.k :]))


class Says:
    """A language model with one answer; an error is raised."""

    model = "says"

    def __init__(self, answer: Mapping[str, Any] | Exception) -> None:
        self.said = answer

    async def answer(self, instructions: str, prompt: str, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        del instructions, prompt, schema
        if isinstance(self.said, Exception):
            raise self.said
        return self.said


class Silent(Says):
    async def answer(self, instructions: str, prompt: str, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        del instructions, prompt, schema
        await asyncio.Event().wait()
        return {}


TWO_STEPS = {
    "rewritten": "fold something and post it",
    "steps": [
        {"need": "fold boat", "variations": ["fold plane", "cut paper"]},
        {"need": "send mail", "variations": ["read mail"]},
    ],
}
REQUEST = SearchRequest("acme", ("sing song",), k=4, profile="toolshed")


def ids(ranking: Ranking) -> list[str]:
    return [one.tool_id for one in ranking.candidates]


async def test_each_step_gets_its_share_in_turn() -> None:
    inner = Inner()
    [ranking] = await ToolshedSearch(inner, Says(TWO_STEPS)).search(REQUEST)
    assert ids(ranking) == ["s__fold_boat", "s__read_mail", "s__fold_plane", "s__send_mail"]
    assert (ranking.profile, ranking.degraded, ranking.query) == ("toolshed", (), "sing song")
    assert [request.profile for request in inner.asked] == ["hybrid", "hybrid"]
    assert inner.asked[1].queries == (
        "fold something and post it", "fold boat", "fold plane", "cut paper", "send mail", "read mail"
    )  # fmt: skip
    assert "step 1" in ranking.candidates[0].stages


@pytest.mark.parametrize(
    ("stages", "asked"),
    [
        (ToolshedStages(expand=False), ("fold something and post it", "fold boat", "send mail")),
        (ToolshedStages(decompose=False, expand=False), ("fold something and post it",)),
        (ToolshedStages(rewrite=False, expand=False), ("sing song", "fold boat", "send mail")),
    ],
)
async def test_each_stage_has_an_off_switch(stages: ToolshedStages, asked: tuple[str, ...]) -> None:
    inner = Inner()
    await ToolshedSearch(inner, Says(TWO_STEPS), stages=stages).search(REQUEST)
    assert inner.asked[1].queries == asked


async def test_each_step_is_reranked_by_its_own_need() -> None:
    async def texts(_tenant: str, tool_ids: Sequence[str]) -> Mapping[str, str]:
        return {one: one[3:].replace("_", " ") for one in tool_ids}

    stage = RerankStage(SharedWordsReranker(), texts)
    [ranking] = await ToolshedSearch(Inner(), Says(TWO_STEPS), stage).search(REQUEST)
    assert ids(ranking)[:2] == ["s__fold_boat", "s__send_mail"]


async def test_a_failing_reranker_costs_the_steps_only_its_opinion() -> None:
    async def away(_tenant: str, _tool_ids: Sequence[str]) -> Mapping[str, str]:
        raise ModelUnavailable

    shed = ToolshedSearch(Inner(), Says(TWO_STEPS), RerankStage(SharedWordsReranker(), away))
    [ranking] = await shed.search(REQUEST)
    [without] = await ToolshedSearch(Inner(), Says(TWO_STEPS)).search(REQUEST)
    assert ranking.degraded == ("reranker",)
    assert ids(ranking) == ids(without)


NONSENSE: list[Mapping[str, Any]] = [
    {},
    {"steps": []},
    {"steps": "fold a boat"},
    {"steps": ["fold a boat"]},
    {"steps": [{"need": " \u200b "}]},
    {"steps": [{"need": 3, "variations": None}], "rewritten": "x"},
]


@pytest.mark.parametrize(
    "chat",
    [None, Says(ModelUnavailable("away")), Silent({}), *map(Says, NONSENSE)],
    ids=lambda chat: type(chat).__name__,
)
async def test_a_model_that_fails_leaves_the_plain_answer_and_is_named(chat: Says | None) -> None:
    inner = Inner()
    shed = ToolshedSearch(inner, chat, stages=ToolshedStages(deadline_s=0.01))
    [ranking] = await shed.search(REQUEST)
    [plain] = await inner.search(SearchRequest("acme", REQUEST.queries, 4))
    assert (ranking.candidates, ranking.degraded) == (plain.candidates, ("llm",))


async def test_other_profiles_do_not_ask_the_model() -> None:
    request = SearchRequest("acme", ("sing song",), k=4)
    assert await ToolshedSearch(Inner(), Says(AssertionError())).search(request) == await Inner().search(request)


async def test_several_queries_are_taken_apart_each_on_its_own() -> None:
    request = SearchRequest("acme", ("sing song", "draw map"), k=2, profile="toolshed")
    rankings = await ToolshedSearch(Inner(), Says(TWO_STEPS)).search(request)
    assert [ranking.query for ranking in rankings] == ["sing song", "draw map"]


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.sampled_from(["need", "variations"]), inner),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(["rewritten", "steps"]), json_values))
def test_whatever_a_model_says_becomes_a_small_plan_or_is_refused(answer: dict[str, Any]) -> None:
    try:
        plan = plan_of(answer, "query")
    except ModelUnavailable:
        return
    assert 1 <= len(plan.steps) <= MAX_STEPS
    assert plan.rewritten
    for step in plan.steps:
        assert step.need
        assert len(step.variations) <= VARIATIONS
        assert all(0 < len(text) <= MAX_CHARS for text in step.texts)


def test_equal_steps_count_once_and_keep_their_order() -> None:
    steps = [{"need": need, "variations": [need]} for need in ("fold", "cut", "Fold", "glue")]
    assert plan_of({"steps": steps}, "q") == Plan("q", (Step("fold"), Step("cut"), Step("glue")))


names = st.lists(st.sampled_from(TOOLS), unique=True)


@given(st.lists(names, min_size=1, max_size=4), names, st.integers(1, 10))
def test_there_are_never_fewer_than_the_plain_search_has_and_each_step_has_its_share(
    steps: list[list[str]], plain: list[str], k: int
) -> None:
    as_candidates = [[Candidate(name, "s", 0.0) for name in step] for step in steps]
    shared = [one.tool_id for one in share_out(as_candidates, [Candidate(name, "s", 0.0) for name in plain], k)]
    assert len(shared) == len(set(shared))
    assert set(shared) == set(plain).union(*steps)
    if len(steps) <= k:
        taken: set[str] = set()
        for step in steps:
            own = [name for name in step if name not in taken][: k // len(steps)]
            taken.update(own)
            assert set(own) <= set(shared[:k])

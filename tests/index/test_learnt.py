"""What was learnt: how the mix weighs marks, what the adapter does to a query, and what happens without either."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from index.embedders.fake import HashingEmbedder
from index.engines.memory import MemoryEngine
from index.ports import SearchRequest
from index.profiles import PROFILES, Mix
from index.ranking.adapter import QueryAdapter
from index.ranking.evidence import CIRCUMSTANCES, MARKS, PLAIN_MARKS, evidence
from index.ranking.learnt import Learnt, LearntMix, learnt_for, mix_of, shipped
from index.ranking.order import leading
from index.ranking.recall import Table
from index.tool_index import ToolIndex
from tests.index.samples import DIMENSION, TENANT, document
from tests.index.test_caching import DictCache

pytestmark = pytest.mark.anyio

TOOLS = [
    document("files__read_file", "Read the contents of a file from disk."),
    document("weather__get_forecast", "Weather forecast for a city and a date."),
    document("github__list_issues", "Issues of a repository, newest first."),
]
STANDING_STILL = QueryAdapter(np.zeros((DIMENSION + 1, DIMENSION), np.float32))


def mix(marks: tuple[str, ...], **trusted: float) -> LearntMix:
    """Trusts these marks so much, whatever the circumstances."""
    weights = np.zeros((len(marks), len(CIRCUMSTANCES)))
    for name, trust in trusted.items():
        weights[marks.index(name), 0] = trust
    return LearntMix(marks, weights, weights, np.zeros(len(CIRCUMSTANCES)), np.ones(len(CIRCUMSTANCES)))


async def index_with(adapter: QueryAdapter, **trusted: float) -> ToolIndex:
    index = ToolIndex(HashingEmbedder(DIMENSION), DictCache(), MemoryEngine())
    index.rank_with(Learnt("fake", adapter, mix(MARKS, **trusted), mix(PLAIN_MARKS, bm25=1.0)))
    await index.upsert(TOOLS)
    return index


async def test_every_candidate_has_the_score_of_every_leg_whichever_found_it() -> None:
    index = await index_with(STANDING_STILL, concat=1.0)
    query = "show the weather forecast of a city, list the newest issues of the repository"
    [ranking] = await index.search(SearchRequest(TENANT, (query,), k=3))
    for candidate in ranking.candidates:
        assert {"concat", "name", "sparse", "adapted", "whole", "clauses", "fused"} <= candidate.stages.keys()
        assert candidate.stages["adapted"] == pytest.approx(candidate.stages["concat"], abs=1e-6)


async def test_the_adapter_moves_the_query_and_no_document() -> None:
    goal = (await HashingEmbedder(DIMENSION).embed([TOOLS[0].text.concat]))[0]
    pull = np.zeros((DIMENSION + 1, DIMENSION), np.float32)
    pull[-1] = 100 * goal
    index = await index_with(QueryAdapter(pull), adapted=1.0)
    [ranking] = await index.search(SearchRequest(TENANT, ("weather forecast for a city",), k=3))
    assert ranking.candidates[0].tool_id == "files__read_file"
    assert ranking.candidates[0].stages["adapted"] == pytest.approx(1.0, abs=1e-3)
    [plain] = await index.search(SearchRequest(TENANT, ("weather forecast for a city",), k=3, profile="plain"))
    assert plain.candidates[0].tool_id == "weather__get_forecast"


async def test_with_another_embedder_a_profile_has_its_fixed_weights() -> None:
    assert learnt_for("some other model") is None
    assert PROFILES["hybrid"].mix is Mix.LEARNT
    index = ToolIndex(HashingEmbedder(), DictCache(), MemoryEngine())
    await index.upsert(TOOLS)
    answers = [
        (await index.search(SearchRequest(TENANT, ("weather of a city",), k=3, profile=profile)))[0].candidates
        for profile in ("hybrid", "mixed")
    ]
    assert answers[0] == answers[1]
    assert "adapted" not in answers[0][0].stages


async def test_an_index_without_tools_finds_none() -> None:
    index = ToolIndex(HashingEmbedder(DIMENSION), DictCache(), MemoryEngine())
    index.rank_with(Learnt("fake", STANDING_STILL, mix(MARKS), mix(PLAIN_MARKS)))
    [ranking] = await index.search(SearchRequest(TENANT, ("anything",), k=3))
    assert ranking.candidates == ()


def test_every_text_is_weighed_by_itself() -> None:
    table = Table(
        ("a", "b"),
        {
            stage: np.array([[0.2, 0.1], [0.9, 0.0], [0.1, 0.8]], np.float32)
            for stage in ("concat", "name", "sparse", "adapted")
        },
        (2, 1, 1),
    )
    assert mix(MARKS, adapted=1.0).scores(table) == pytest.approx(np.array([[0.6, 0.3], [2.7, 0.0], [0.3, 2.4]]))


async def test_what_is_asked_for_beside_comes_before_the_second_of_the_same_kind() -> None:
    index = await index_with(STANDING_STILL, bm25=1.0)
    twin = document("mirror__read_file", "Read the contents of a file from disk.")
    await index.upsert([twin])
    query = "read the contents of a file from disk, list what is newest"
    covered, crowded = [
        (await index.search(SearchRequest(TENANT, (query,), k=3, profile=profile)))[0].candidates
        for profile in ("hybrid", "crowded")
    ]
    assert [one.tool_id for one in crowded][:2] == ["files__read_file", "mirror__read_file"]
    assert [one.tool_id for one in covered][:2] == ["files__read_file", "github__list_issues"]
    [behind] = [one for one in covered if one.tool_id == "mirror__read_file"]
    assert behind.stages["behind"] == -PROFILES["hybrid"].coverage
    assert "behind" not in covered[0].stages


@given(npst.arrays(np.float64, st.tuples(st.integers(2, 5), st.integers(1, 12)), elements=st.floats(-5, 5, width=16)))
def test_every_clause_keeps_its_best_and_the_best_of_all_leads(by_text: npt.NDArray[np.float64]) -> None:
    leads, total = leading(by_text), by_text[0] + by_text[1:].max(axis=0)
    clause = by_text[1:].argmax(axis=0)
    assert sorted(clause[leads]) == sorted(set(clause))
    assert all(total[leads & (clause == one)][0] == total[clause == one].max() for one in set(clause))
    assert leads[total.argmax()]


def test_marks_are_measured_per_text_and_candidate() -> None:
    legs = {stage: np.array([[0.5, 0.25]], np.float32) for stage in ("concat", "name", "sparse", "adapted")}
    marks, circumstances = evidence(Table(("a", "b"), legs, (2,)))
    assert dict(zip(MARKS, marks[0, 1], strict=True)) == pytest.approx(
        {"concat": 0.75, "name": 0.75, "lexical": 0.5, "bm25": 0.025, "first": 0.5, "adapted": 0.75}
    )
    assert circumstances[0] == pytest.approx([1, 0, 0.5, 0.25, 1.0])


def test_the_shipped_weights_are_for_the_marks_that_are_measured() -> None:
    learnt = shipped()
    assert learnt.mix.marks == MARKS
    assert learnt.plain.marks == PLAIN_MARKS
    assert learnt.adapter.weights.shape == (385, 384)
    with pytest.raises(ValueError, match="learn_mix"):
        mix_of({"marks": ["luck"], "circumstances": CIRCUMSTANCES})

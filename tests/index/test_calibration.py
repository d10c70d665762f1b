"""How many tools a search gives, and whether it says that nothing fits."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.candidates import Candidate, Ranking
from index.calibration import (
    FEWEST,
    MOST,
    CalibratedSearch,
    Calibration,
    Logistic,
    calibration_for,
    shipped,
    standing_out,
)
from index.ports import SearchRequest
from index.sparse import Bm25Encoder

pytestmark = pytest.mark.anyio

AT_LEAST = Logistic(("cosine",), np.array([100.0]), -50.0, 0.5)
"""Something fits from a cosine of .5 on."""


class Fixed:
    """Answers with the same candidates, as deep as it is asked."""

    def __init__(self, scores: list[float], stages: Mapping[str, float]) -> None:
        self._found = [Candidate(f"tool{n}", f"server{n}", score, stages) for n, score in enumerate(scores)]

    async def search(self, request: SearchRequest) -> list[Ranking]:
        top, rest = self._found[: request.k], self._found[request.k : max(request.depth, request.k + 3)]
        return [Ranking(query, tuple(top), request.profile, nearest=tuple(rest)) for query in request.queries]


def searcher(scores: list[float], **stages: float) -> CalibratedSearch:
    return CalibratedSearch(Fixed(scores, stages), Bm25Encoder(), Calibration("fake", AT_LEAST, AT_LEAST))


async def test_a_search_without_k_gives_what_stands_out() -> None:
    search = searcher([1.0, 0.9, 0.85, 0.5, *[0.1] * 16], concat=0.6, adapted=0.6)
    [ranking] = await search.search(SearchRequest("acme", ("query",), MOST, adaptive=True))
    assert len(ranking.candidates) == 4
    assert [loser.score for loser in ranking.nearest] == [0.1, 0.1, 0.1]


async def test_a_search_with_k_gives_k() -> None:
    search = searcher([1.0, *[0.1] * 19], concat=0.6, adapted=0.6)
    [ranking] = await search.search(SearchRequest("acme", ("query",), 7, judge=True))
    assert len(ranking.candidates) == 7


@pytest.mark.parametrize(("cosine", "abstains"), [(0.4, True), (0.6, False)])
async def test_below_the_threshold_nothing_fits_and_the_nearest_are_shown(cosine: float, *, abstains: bool) -> None:
    search = searcher([1.0] * 20, concat=cosine, adapted=cosine)
    [ranking] = await search.search(SearchRequest("acme", ("query",), 5, judge=True))
    assert ranking.abstained is abstains
    assert ranking.confidence is not None
    assert (ranking.confidence < 0.5) is abstains
    assert len(ranking.candidates) == 5


async def test_a_tool_that_was_named_always_fits() -> None:
    search = searcher([1.0] * 20, exact=1.0, concat=0.0, adapted=0.0)
    [ranking] = await search.search(SearchRequest("acme", ("read_file",), 5, judge=True))
    assert (ranking.confidence, ranking.abstained) == (1.0, False)


async def test_without_the_stages_that_it_rests_on_there_is_no_opinion() -> None:
    [ranking] = await searcher([1.0] * 20, sparse=3.0).search(SearchRequest("acme", ("query",), 5, judge=True))
    assert (ranking.confidence, ranking.abstained) == (None, False)


async def test_what_nobody_asks_to_judge_is_passed_on() -> None:
    [ranking] = await searcher([1.0] * 20, concat=0.1, adapted=0.1).search(SearchRequest("acme", ("query",), 5))
    assert (ranking.confidence, ranking.abstained, len(ranking.nearest)) == (None, False, 3)


@given(st.lists(st.floats(0, 1), max_size=30))
def test_what_stands_out_is_three_to_eight(scores: list[float]) -> None:
    assert FEWEST <= standing_out(sorted(scores, reverse=True)) <= MOST


def test_the_shipped_judges_are_for_the_embedder_that_they_were_made_with() -> None:
    assert calibration_for(shipped().embedder) is shipped()
    assert calibration_for("some other model") is None

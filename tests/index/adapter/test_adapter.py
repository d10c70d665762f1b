"""The retrieval adapter: who moves and who must not, and that broken files are refused before they serve."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.candidates import Candidate, Ranking
from domain.errors import EmbedderUnavailable, InvalidInput
from index.adapter.adapter import ARRAYS, MANIFEST, Adapter
from index.adapter.evidence import FEATURES, CaseBank, Vectors
from index.adapter.stage import AdaptedSearch
from index.ports import Matrix, SearchRequest

TOOLS = ("a", "b", "c")
RATE = 9  # the feature that is the log-odds of success near the query


def an_adapter() -> Adapter:
    """For the first kind of query `b` was good, for the second `a`; of `c` nothing was ever logged."""
    outcomes = np.zeros((2, 3, 4), dtype=np.float32)
    outcomes[0, 1] = outcomes[1, 0] = (5, 0, 5, 0)
    outcomes[0, 0] = outcomes[1, 1] = (0, 5, 0, 5)
    weights = np.zeros(FEATURES)
    weights[RATE] = 1.0
    return Adapter(TOOLS, CaseBank(np.eye(2, 4, dtype=np.float32), outcomes), weights, "v1", {"data": "x"})


def query(kind: int) -> Vectors:
    return np.asarray(np.eye(2, 4, dtype=np.float32)[kind])


@pytest.mark.parametrize(("kind", "order"), [(0, ["b", "a"]), (1, ["a", "b"])])
def test_what_went_well_for_such_a_query_comes_first(kind: int, order: list[str]) -> None:
    found = an_adapter().order(query(kind), ["a", "b"], [1.0, 0.9])
    assert [("a", "b")[at] for at in found] == order


@given(st.permutations(["a", "b", "c", "new", "other"]))
def test_a_tool_of_which_nothing_was_logged_keeps_its_place(ranking: Sequence[str]) -> None:
    order = an_adapter().order(query(0), ranking, [1.0, 0.8, 0.6, 0.4, 0.2])
    assert sorted(order) == [0, 1, 2, 3, 4]
    for place, at in enumerate(order):
        if ranking[place] not in {"a", "b"}:
            assert at == place


def test_a_saved_adapter_orders_as_it_did(tmp_path: Path) -> None:
    made = an_adapter()
    made.save(tmp_path)
    again = Adapter.load(tmp_path, embedder="v1")
    assert again.facts == {"data": "x"}
    assert again.order(query(0), TOOLS, [3.0, 2.0, 1.0]) == made.order(query(0), TOOLS, [3.0, 2.0, 1.0])


def _cut(folder: Path) -> None:
    content = (folder / ARRAYS).read_bytes()
    (folder / ARRAYS).write_bytes(content[: len(content) // 2])


def _rewrite(folder: Path, **values: object) -> None:
    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps({**manifest, **values}))


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (_cut, "cut off or was changed"),
        (lambda folder: (folder / ARRAYS).unlink(), "holds no adapter"),
        (lambda folder: (folder / MANIFEST).write_text("{"), "is not JSON"),
        (lambda folder: _rewrite(folder, schema="adapter-0"), "'adapter-0', not adapter-1"),
        (lambda folder: _rewrite(folder, embedder="v0"), "vectors of v0"),
        (lambda folder: _rewrite(folder, tools=["a"]), "do not fit"),
    ],
)
def test_an_adapter_that_is_not_whole_or_of_another_kind_is_refused(
    tmp_path: Path, harm: Callable[[Path], object], reason: str
) -> None:
    an_adapter().save(tmp_path)
    harm(tmp_path)
    with pytest.raises(InvalidInput, match=reason):
        Adapter.load(tmp_path, embedder="v1")


class Found:
    """A searcher that knows one answer."""

    async def search(self, request: SearchRequest) -> list[Ranking]:
        pool = [Candidate(tool, "s", 1.0 - place / 10) for place, tool in enumerate("cab")]
        assert request.depth >= 30
        shown, beyond = tuple(pool[: request.k]), tuple(pool[request.k :])
        return [Ranking(text, shown, "hybrid", nearest=beyond) for text in request.queries]


class Embedded:
    """Every text is of the first kind."""

    version, dimension = "v1", 4

    def __init__(self, *, away: bool = False) -> None:
        self._away = away

    async def embed(self, texts: Sequence[str]) -> Matrix:
        if self._away:
            raise EmbedderUnavailable
        return np.stack([query(0) for _ in texts])

    async def close(self) -> None:
        """Nothing is open."""


@pytest.mark.anyio
async def test_around_a_search_it_brings_up_what_lay_beyond_k_and_loses_nobody() -> None:
    stage = AdaptedSearch(Found(), Embedded(), an_adapter())
    [ranking] = await stage.search(SearchRequest("t", ("x",), k=2))
    assert [one.tool_id for one in ranking.candidates] == ["c", "b"]
    assert [one.tool_id for one in ranking.nearest] == ["a"]


@pytest.mark.anyio
async def test_without_an_embedder_retrievals_order_answers_and_the_answer_says_so() -> None:
    stage = AdaptedSearch(Found(), Embedded(away=True), an_adapter())
    [ranking] = await stage.search(SearchRequest("t", ("x",), k=2))
    assert [one.tool_id for one in ranking.candidates] == ["c", "a"]
    assert ranking.degraded == ("adapter",)

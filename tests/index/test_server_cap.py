"""The cap per server: whom it binds, whom it never touches, and that it leaves no slot empty."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from collections.abc import Set as AbstractSet

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.candidates import Candidate, Ranking
from domain.errors import StoreUnavailable
from index.ports import SearchRequest
from index.ranking.order import EXACT
from index.server_cap import CappedSearch, capped

pytestmark = pytest.mark.anyio

orders = st.lists(st.tuples(st.sampled_from("abc"), st.booleans(), st.booleans()), max_size=40).map(
    lambda rows: (
        [
            Candidate(f"{server}__{at}", server, 1 - at / 100, {EXACT: 1.0} if named else {})
            for at, (server, _, named) in enumerate(rows)
        ],
        {f"{server}__{at}" for at, (server, bound, _) in enumerate(rows) if bound},
    )
)


@given(orders, st.integers(0, 4))
def test_nobody_is_lost_and_whoever_is_not_bound_moves_only_up(
    given: tuple[list[Candidate], set[str]], most: int
) -> None:
    order, bound = given
    after = capped(order, bound, most)
    assert sorted(one.tool_id for one in after) == sorted(one.tool_id for one in order)
    for before_place, candidate in enumerate(order):
        if candidate.tool_id not in bound or EXACT in candidate.stages:
            assert after.index(candidate) <= before_place


@given(orders, st.integers(0, 4), st.integers(1, 10))
def test_among_the_first_no_server_has_more_bound_tools_than_the_cap_unless_there_is_nothing_else(
    given: tuple[list[Candidate], set[str]], most: int, k: int
) -> None:
    order, bound = given
    first = capped(order, bound, most)[:k]
    counts = Counter(one.server for one in first if one.tool_id in bound and EXACT not in one.stages)
    allowed = [one for one in order if one.tool_id not in bound or EXACT in one.stages]
    assert len(first) == min(k, len(order))
    if len(allowed) >= k:
        assert all(count <= most for count in counts.values())


class Inner:
    """Finds six tools of one server, then six of another."""

    async def search(self, request: SearchRequest) -> list[Ranking]:
        found = [Candidate(f"{server}__{n}", server, 1.0) for server in ("evil", "good") for n in range(6)]
        shown = found[: max(request.depth, request.k)]
        return [
            Ranking(q, tuple(shown[: request.k]), "hybrid", nearest=tuple(shown[request.k :])) for q in request.queries
        ]


async def everything_evil(_tenant: str, tool_ids: Sequence[str]) -> AbstractSet[str]:
    return {one for one in tool_ids if one.startswith("evil")}


async def nobody_knows(_tenant: str, _tool_ids: Sequence[str]) -> AbstractSet[str]:
    raise StoreUnavailable


async def nobody(_tenant: str, _tool_ids: Sequence[str]) -> AbstractSet[str]:
    return frozenset()


async def test_a_server_on_probation_gets_two_places_and_the_others_the_rest() -> None:
    [ranking] = await CappedSearch(Inner(), everything_evil).search(SearchRequest("t", ("x",), k=5))
    assert [one.server for one in ranking.candidates] == ["evil", "evil", "good", "good", "good"]
    assert len(ranking.nearest) == 3


async def test_a_server_that_is_vouched_for_may_hold_every_place() -> None:
    [ranking] = await CappedSearch(Inner(), nobody).search(SearchRequest("t", ("x",), k=5))
    assert {one.server for one in ranking.candidates} == {"evil"}


async def test_when_nobody_can_say_who_is_bound_the_cap_holds_for_all() -> None:
    [ranking] = await CappedSearch(Inner(), nobody_knows).search(SearchRequest("t", ("x",), k=5))
    assert [one.server for one in ranking.candidates] == ["evil", "evil", "good", "good", "evil"]

"""Dependency closure: what sessions say about needs, and what a ranking gives up for them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.candidates import Candidate, Ranking
from index.dependencies import LOOK, STAGE, ClosedSearch, ToolGraph
from index.ports import SearchRequest
from index.ranking.order import EXACT

pytestmark = pytest.mark.anyio

SESSIONS = [["login", "book"], ["login", "search", "book"], ["search", "login"], ["search"]]
tools = st.sampled_from([f"s__{n:02}" for n in range(20)])


class Inner:
    """Finds twenty tools in their order, `given` of them as candidates."""

    def __init__(self, named: frozenset[int] = frozenset(), given: int | None = None) -> None:
        self.found = [Candidate(f"s__{n:02}", "s", 1 - n / 20, {EXACT: 1.0} if n in named else {}) for n in range(20)]
        self._given = given
        self.depths: list[int] = []

    async def search(self, request: SearchRequest) -> list[Ranking]:
        self.depths.append(request.depth)
        k = self._given or request.k
        shown = self.found[: max(request.depth, k + 3)]
        return [Ranking(one, tuple(shown[:k]), request.profile, nearest=tuple(shown[k:])) for one in request.queries]


def graph(**needs: str) -> ToolGraph:
    return ToolGraph({f"s__{user}": {f"s__{tool}": 0.5} for user, tool in needs.items()})


async def closed(inner: Inner, of: ToolGraph, k: int = 5, profile: str = "hybrid") -> list[str]:
    request = SearchRequest("t", ("x",), k, profile)
    [ranking] = await ClosedSearch(inner, lambda _tenant: of).search(request)
    assert len({one.tool_id for one in (*ranking.candidates, *ranking.nearest)}) == len(ranking.candidates) + len(
        ranking.nearest
    )
    return [one.tool_id[-2:] for one in ranking.candidates]


def test_a_tool_needs_what_was_called_before_it_in_two_sessions_and_often_enough() -> None:
    assert ToolGraph.of_sessions(SESSIONS).needs == {"book": {"login": 1.0}}
    seldom = [["login", "book"]] * 2 + [["book"]] * 9
    assert ToolGraph.of_sessions(seldom).needs == {}


def test_calling_a_tool_again_and_again_in_one_session_is_one_use() -> None:
    assert ToolGraph.of_sessions([["login", "book", "book", "login", "book"]]).needs == {}


@given(st.lists(st.lists(tools, max_size=6), max_size=20))
def test_no_tool_needs_itself_and_every_share_is_one(sessions: list[list[str]]) -> None:
    for tool, needs in ToolGraph.of_sessions(sessions).needs.items():
        assert tool not in needs
        assert all(0 < share <= 1 for share in needs.values())


async def test_a_needed_tool_takes_the_last_place_and_says_why() -> None:
    assert await closed(Inner(), graph(**{"01": "12"})) == ["00", "01", "02", "03", "12"]
    [ranking] = await ClosedSearch(Inner(), lambda _: graph(**{"01": "12"})).search(SearchRequest("t", ("x",), 5))
    assert ranking.candidates[-1].stages[STAGE] == 0.5


async def test_where_retrieval_gave_fewer_than_were_asked_for_it_takes_nobodys_place() -> None:
    assert await closed(Inner(given=4), graph(**{"01": "12"}), k=8) == ["00", "01", "02", "03", "12"]


async def test_what_is_found_already_what_only_the_tail_needs_and_what_nobody_found_change_nothing() -> None:
    plain = ["00", "01", "02", "03", "04"]
    for needs in ({"01": "02"}, {"04": "12"}, {"01": "99"}):
        assert await closed(Inner(), graph(**needs)) == plain


async def test_a_tool_that_the_query_names_makes_no_room() -> None:
    assert await closed(Inner(named=frozenset({4})), graph(**{"01": "12"})) == ["00", "01", "02", "03", "04"]


@pytest.mark.parametrize("k", range(1, LOOK + 1))
async def test_the_tools_that_are_looked_at_make_no_room(k: int) -> None:
    assert await closed(Inner(), graph(**{"00": "12"}), k=k) == ["00", "01", "02"][:k]


@pytest.mark.parametrize("profile", ["bm25", "dense", "rrf"])
async def test_profiles_that_others_are_compared_with_stay_what_they_are(profile: str) -> None:
    inner = Inner()
    assert await closed(inner, graph(**{"01": "12"}), profile=profile) == ["00", "01", "02", "03", "04"]
    assert inner.depths == [0]

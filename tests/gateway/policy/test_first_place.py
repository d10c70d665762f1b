"""A drawn first place: the same tools, with the probability that the log says."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from domain.candidates import Candidate, Ranking
from gateway.policy.first_place import FIRST, NOTED, FirstPlaceSearch
from index.ports import SearchRequest
from index.ranking.order import EXACT

pytestmark = pytest.mark.anyio

ASKED = SearchRequest("acme", ("work wood",))


class Inner:
    def __init__(self, *stages: dict[str, float]) -> None:
        self.found = tuple(Candidate(f"room__{n}", "room", 1 - n / 10, one) for n, one in enumerate(stages))

    async def search(self, request: SearchRequest) -> list[Ranking]:
        return [Ranking(query, self.found, request.profile) for query in request.queries]


NUMBERS = [{NOTED: 1.0 - n} for n in range(4)]


async def test_every_tool_stands_first_as_often_as_the_log_says_and_none_is_lost() -> None:
    search = FirstPlaceSearch(Inner(*NUMBERS), lambda _tenant: 0.4, random.Random(3))
    seen, said = Counter[str](), {}
    for _ in range(4000):
        [ranking] = await search.search(ASKED)
        first = ranking.candidates[0]
        seen[first.tool_id] += 1
        said[first.tool_id] = first.stages[FIRST]
        assert ranking.propensity == first.stages[FIRST]
        assert sorted(one.tool_id for one in ranking.candidates) == [f"room__{n}" for n in range(4)]

    assert sum(said.values()) == pytest.approx(1.0)
    assert {tool: count / 4000 for tool, count in seen.items()} == pytest.approx(said, abs=0.03)


@pytest.mark.parametrize(
    "stages",
    [[{**NUMBERS[0], EXACT: 1.0}, *NUMBERS[1:]], NUMBERS[:1], [{}, {}, {}]],
    ids=["the query names the first", "there is one tool", "no numbers were noted"],
)
async def test_nothing_is_drawn_where_it_could_not_be_judged_or_must_not_be_moved(
    stages: list[dict[str, float]],
) -> None:
    search = FirstPlaceSearch(Inner(*stages), lambda _tenant: 0.5, random.Random(3))

    rankings = [(await search.search(ASKED))[0] for _ in range(50)]

    assert {ranking.candidates[0].tool_id for ranking in rankings} == {"room__0"}
    assert all(FIRST not in ranking.candidates[0].stages for ranking in rankings)

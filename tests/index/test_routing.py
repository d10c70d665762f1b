"""Server routing: what a server's document may change in a ranking, and that it changes nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.candidates import Candidate, Ranking
from domain.errors import IndexUnavailable
from index.embedders.caching import QueryEmbedder
from index.embedders.fake import HashingEmbedder
from index.engines.memory import MemoryEngine
from index.ports import Filter, Hit, Leg, SearchRequest
from index.ranking.order import EXACT, PHRASE
from index.routing import LIFT, SERVERS, STAGE, RoutedSearch, ServerText, nearness
from index.tool_index import ToolIndex, open_index
from tests.index.samples import TENANT, document
from tests.index.test_caching import DictCache

pytestmark = pytest.mark.anyio

# Two servers with tools that read alike; what tells them apart is what the servers are.
TOOLS = [document(f"{server}__{name}", "Creates an entry.") for server in ("aa", "zz") for name in ("create", "drop")]
SERVER_TEXTS = [
    ServerText(TENANT, "aa", "Calendar", ("create", "drop")),
    ServerText(TENANT, "zz", "Invoices of a shop", ("create", "drop")),
]
QUERY = "create an entry in the invoices of my shop"

hits = st.lists(st.tuples(st.sampled_from("abcdefghijklmnop"), st.floats(-1, 1)), max_size=12).map(
    lambda rows: [Hit(server, server, score) for server, score in rows]
)


@given(st.lists(hits, max_size=4))
def test_at_most_so_many_servers_are_near_the_first_fully_and_none_by_less_than_nothing(
    answers: list[list[Hit]],
) -> None:
    near = nearness(answers)
    assert len(near) <= SERVERS
    assert all(0 <= value <= 1 for value in near.values())
    best = max((hit.score for found in answers for hit in found), default=None)
    assert (best is None) == (near == {})
    if best is not None:
        assert near[min(hit.server for found in answers for hit in found if hit.score == best)] == 1


async def searched(index: ToolIndex, profile: str = "hybrid", servers: tuple[str, ...] = ()) -> Ranking:
    [ranking] = await index.search(SearchRequest(TENANT, (QUERY,), 2, profile, servers))
    return ranking


async def test_a_near_server_lifts_its_tools_and_the_lift_can_be_seen(tmp_path: Path) -> None:
    index = await open_index(HashingEmbedder(), cache=DictCache(), path=tmp_path)
    await index.upsert(TOOLS)
    plain = await searched(index)
    assert plain.candidates[0].tool_id == "aa__create"  # of equals, the first by name
    await index.put_servers(SERVER_TEXTS)
    routed = await searched(index)
    assert [one.tool_id for one in routed.candidates] == ["zz__create", "aa__create"]
    assert routed.candidates[0].stages[STAGE] == 1
    assert routed.candidates[0].score <= plain.candidates[0].score * (1 + LIFT) + 1e-6
    for profile in ("bm25", "dense", "rrf"):
        assert STAGE not in (await searched(index, profile=profile)).candidates[0].stages
    chosen = await searched(index, servers=("aa",))
    assert {one.server for one in chosen.candidates} == {"aa"}
    assert STAGE not in chosen.candidates[0].stages
    await index.close()


async def test_servers_are_no_tools_and_no_word_statistics_and_survive_a_restart(tmp_path: Path) -> None:
    cache = DictCache()
    index = await open_index(HashingEmbedder(), cache=cache, path=tmp_path)
    await index.upsert(TOOLS)
    lexical = (await searched(index, profile="bm25")).candidates
    await index.put_servers([ServerText(TENANT, f"s{n}", f"Entry shop {n}", ()) for n in range(50)])
    await index.advance(3)
    await index.close()
    index = await open_index(HashingEmbedder(), cache=cache, path=tmp_path)
    assert await index.cursor() == 3
    assert sorted(await index.inventory()) == sorted(index.point_id(TENANT, tool.tool_id) for tool in TOOLS)
    assert len(await index.server_digests()) == 50
    assert (await searched(index, profile="bm25")).candidates == lexical
    everything = await index.search(SearchRequest(TENANT, ("entry shop 7", "s7"), 20))
    found = {one.tool_id for ranking in everything for one in (*ranking.candidates, *ranking.nearest)}
    assert found <= {tool.tool_id for tool in TOOLS}
    await index.drop_servers([(TENANT, f"s{n}") for n in range(50)])
    assert await index.server_digests() == {}
    await index.close()


class Inner:
    """Finds three tools, the last one named by the query."""

    def __init__(self, stage: str) -> None:
        self.found = [Candidate(f"{server}__x", server, score, {}) for server, score in (("a", 0.9), ("b", 0.85))]
        bonus = 1.0 if stage == EXACT else 0.0
        self.found.insert(0 if bonus else 2, Candidate("c__x", "c", 0.1 + bonus, {stage: 1.0}))

    async def search(self, request: SearchRequest) -> list[Ranking]:
        shown = tuple(self.found)
        return [
            Ranking(one, shown[: request.k], request.profile, nearest=shown[request.k :]) for one in request.queries
        ]


class Failing(MemoryEngine):
    async def search(self, legs: Sequence[Leg], where: Filter) -> list[list[Hit]]:
        del legs, where
        raise IndexUnavailable("It is away.")


async def test_a_tool_that_the_query_spells_out_stays_first_and_one_that_it_mentions_stays() -> None:
    engine, embedder = MemoryEngine(), HashingEmbedder()
    index = ToolIndex(embedder, DictCache(), engine)
    await index.put_servers([ServerText(TENANT, "b", "the b server", ())])
    for stage, k, expected in ((EXACT, 2, ["c__x", "b__x"]), (PHRASE, 3, ["b__x", "a__x", "c__x"])):
        stage_around = RoutedSearch(Inner(stage), engine, QueryEmbedder(embedder))
        [ranking] = await stage_around.search(SearchRequest(TENANT, ("the b server",), k))
        assert [one.tool_id for one in ranking.candidates] == expected


async def test_an_engine_that_fails_leaves_the_order_as_it_was() -> None:
    inner = Inner(PHRASE)
    [ranking] = await RoutedSearch(inner, Failing(), QueryEmbedder(HashingEmbedder())).search(
        SearchRequest(TENANT, ("x",), 3)
    )
    assert ranking.candidates == tuple(inner.found)

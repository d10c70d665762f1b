"""Search over the fake engine and the fake embedder: what a ranking holds, and what it does when a part fails."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.candidates import Ranking
from domain.errors import EmbedderUnavailable, InvalidInput
from index.embedders.fake import HashingEmbedder
from index.engines.memory import MemoryEngine
from index.fields import DENSE_FIELDS, FieldSpec
from index.options import IndexOptions
from index.ports import Matrix, SearchRequest
from index.profiles import OF_CLAUSE, PROFILES, fields_of
from index.ranking.order import NEAREST, with_included
from index.retriever import MAX_K, hits_asked
from index.tool_index import ToolIndex
from tests.index.samples import TENANT, document
from tests.index.test_caching import DictCache

pytestmark = pytest.mark.anyio

TOOLS = [
    document("files__read_file", "Read the contents of a file from disk."),
    document("files__write_file", "Write text to a file on disk."),
    document("files__list_directory", "List what a folder holds."),
    document("weather__get_forecast", "Weather forecast for a city and a date."),
    document("github__list_issues", "Issues of a repository, newest first."),
    document("github__list_pull_requests", "Pull requests of a repository."),
    document("github__search", "Find code, issues and people."),
    document("mail__search", "Find messages in the mail box."),
]


class Broken(HashingEmbedder):
    """Embeds documents until it is broken."""

    broken = False

    async def embed(self, texts: Sequence[str]) -> Matrix:
        if self.broken:
            raise EmbedderUnavailable
        return await super().embed(texts)


async def index_of(embedder: HashingEmbedder | None = None, fields: Sequence[FieldSpec] = DENSE_FIELDS) -> ToolIndex:
    index = ToolIndex(embedder or HashingEmbedder(), DictCache(), MemoryEngine(), options=IndexOptions(fields))
    await index.upsert(TOOLS)
    return index


async def search(index: ToolIndex, query: str, *, k: int = 3, profile: str = "hybrid") -> Ranking:
    [ranking] = await index.search(SearchRequest(TENANT, (query,), k, profile))
    return ranking


def ids(ranking: Ranking) -> list[str]:
    return [candidate.tool_id for candidate in ranking.candidates]


@pytest.mark.parametrize("profile", PROFILES)
async def test_every_profile_finds_the_tool_that_a_query_describes(profile: str) -> None:
    index = await index_of(fields=fields_of(PROFILES[profile]))
    for query, tool_id in (
        ("weather forecast for a city", "weather__get_forecast"),
        ("write to disk", "files__write_file"),
    ):
        ranking = await search(index, query, profile=profile)
        assert ids(ranking)[0] == tool_id
        assert ranking.profile == profile
        assert ranking.degraded == ()


async def test_candidates_fall_in_score_and_keep_the_score_of_each_stage() -> None:
    ranking = await search(await index_of(), "read a file and get the weather forecast", k=4)
    listed = [*ranking.candidates, *ranking.nearest]
    assert [c.score for c in listed] == sorted((c.score for c in listed), reverse=True)
    assert len(ranking.candidates) == 4
    assert len(ranking.nearest) <= NEAREST
    top = {candidate.tool_id: candidate for candidate in ranking.candidates}["weather__get_forecast"]
    assert {"concat", "name", "sparse", "whole", "clauses", "fused"} <= top.stages.keys()
    assert top.server == "weather"
    assert top.stages["fused"] == pytest.approx(0.5 * top.stages["whole"] + 0.5 * top.stages["clauses"])
    assert set(ranking.timings_ms) == {"embed", "recall", "server", "fuse", "total"}


async def test_each_query_of_a_request_has_its_own_ranking_in_order() -> None:
    index = await index_of()
    queries = ("weather forecast", "read a file", "weather forecast")
    rankings = await index.search(SearchRequest(TENANT, queries, 2))
    assert [ranking.query for ranking in rankings] == list(queries)
    assert ids(rankings[0]) == ids(rankings[2])
    assert ids(rankings[1])[0] == "files__read_file"
    assert await index.search(SearchRequest(TENANT, (), 2)) == []


@pytest.mark.parametrize(
    "spelling", ["github__list_issues", "listIssues", "list-issues", "list issues", "github/list_issues", "LIST_ISSUES"]
)
async def test_a_tool_that_is_named_comes_first_in_any_spelling(spelling: str) -> None:
    ranking = await search(await index_of(), spelling, k=1)
    assert ids(ranking) == ["github__list_issues"]
    assert ranking.candidates[0].stages["exact"] == 1.0


async def test_several_names_in_one_query_are_all_found() -> None:
    query = (
        "take read_file, write_file and github__list_pull_requests for a long report on the weather forecast of a city"
    )
    ranking = await search(await index_of(), query, k=3)
    assert set(ids(ranking)) == {"files__read_file", "files__write_file", "github__list_pull_requests"}


async def test_a_name_that_several_servers_have_finds_all_of_them() -> None:
    assert set(ids(await search(await index_of(), "search", k=2))) == {"github__search", "mail__search"}
    assert ids(await search(await index_of(), "mail.search", k=1)) == ["mail__search"]


async def test_the_beginning_of_a_name_finds_it() -> None:
    ranking = await search(await index_of(), "list_pu", k=2)
    assert "github__list_pull_requests" in ids(ranking)


async def test_without_an_embedder_the_words_still_answer_and_the_ranking_says_so() -> None:
    embedder = Broken()
    index = await index_of(embedder)
    embedder.broken = True
    for profile in ("hybrid", "dense"):
        ranking = await search(index, "weather forecast for a city", profile=profile)
        assert ids(ranking)[0] == "weather__get_forecast"
        assert ranking.degraded == ("embedder",)
    assert (await search(index, "weather forecast", profile="bm25")).degraded == ()
    embedder.broken = False
    assert (await search(index, "weather forecast again", profile="hybrid")).degraded == ()


@pytest.mark.parametrize("k", [0, -1, MAX_K + 1])
async def test_k_out_of_bounds_is_refused(k: int) -> None:
    with pytest.raises(InvalidInput, match="between 1 and 100"):
        await search(await index_of(), "anything", k=k)


@pytest.mark.parametrize(
    ("k", "depth", "whole", "clause"), [(5, 0, 50, OF_CLAUSE), (5, 90, 90, OF_CLAUSE), (70, 0, 70, 70)]
)
def test_a_clause_asks_for_fewer_hits_than_the_whole_query_but_never_for_fewer_than_are_wanted(
    k: int, depth: int, whole: int, clause: int
) -> None:
    assert hits_asked(PROFILES["hybrid"], SearchRequest(TENANT, ("a",), k, depth=depth)) == (whole, clause)


def test_fixed_weights_which_compare_a_clause_with_its_last_hit_ask_for_as_many_for_each() -> None:
    hybrid = PROFILES["hybrid"]
    asked = SearchRequest(TENANT, ("a",), 5)
    assert hits_asked(hybrid.unlearnt, asked) == hits_asked(hybrid.lexical, asked) == (50, 50)


async def test_k_may_exceed_what_there_is() -> None:
    assert len((await search(await index_of(), "file", k=MAX_K)).candidates) == len(TOOLS)


async def test_an_unknown_profile_names_the_known_ones() -> None:
    with pytest.raises(
        InvalidInput, match="hybrid, plain, crowded, mixed, whole, dense, bm25, tdwa, weighted, rrf, toolshed"
    ):
        await search(await index_of(), "anything", profile="magic")


async def test_an_empty_query_is_refused() -> None:
    with pytest.raises(InvalidInput, match="empty"):
        await search(await index_of(), " \n")


@given(
    st.lists(st.integers(0, 30), unique=True, min_size=1).map(lambda numbers: [f"t{n}" for n in numbers]),
    st.sets(st.integers(0, 30).map(lambda n: f"t{n}")),
    st.integers(1, 12),
)
def test_included_tools_move_up_and_nothing_is_lost(order: list[str], included: set[str], k: int) -> None:
    moved = with_included(order, included, k)
    assert sorted(moved) == sorted(order)
    behind = [tool_id for tool_id in order[k:] if tool_id in included]
    replaceable = [tool_id for tool_id in order[:k] if tool_id not in included]
    expected = min(len(behind), k // 2, len(replaceable))
    assert len(set(moved[:k]) & set(behind)) == expected
    assert moved[: k - expected] == [t for t in order[:k] if t in set(moved[:k])]

"""The facade over the embedded engine: repeated writes, counters, restarts, tenants, bad vectors."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from domain.errors import IndexUnavailable
from index.documents import point_id
from index.embedders.caching import Counters
from index.embedders.fake import HashingEmbedder
from index.engines.memory import MemoryEngine
from index.fields import DENSE_FIELDS
from index.ports import Matrix, SearchRequest, UpsertReport
from index.tool_index import ToolIndex, open_index
from tests.conftest import absent
from tests.index.samples import TENANT, document
from tests.index.test_caching import DictCache

pytestmark = pytest.mark.anyio

TOOLS = [document(f"s__tool_{word}", f"Does {word}.") for word in ("alpha", "beta", "gamma")]


async def found(index: ToolIndex, query: str, tenant: str = TENANT) -> list[str]:
    [ranking] = await index.search(SearchRequest(tenant, (query,), 5))
    return [candidate.tool_id for candidate in ranking.candidates]


async def test_a_second_upsert_embeds_nothing_not_even_after_a_restart(tmp_path: Path) -> None:
    cache = DictCache()
    index = await open_index(HashingEmbedder(), cache=cache, path=tmp_path)
    texts = len(TOOLS) * len(DENSE_FIELDS)
    assert await index.upsert(TOOLS) == UpsertReport(3, texts, 0)
    assert await index.upsert(TOOLS) == UpsertReport(3, 0, texts)
    assert index.counters == Counters(texts, texts)
    await index.advance(12)
    await index.close()
    again = await open_index(HashingEmbedder(), cache=cache, path=tmp_path)
    assert await again.cursor() == 12
    assert await again.inventory() == {again.point_id(TENANT, tool.tool_id): tool.semantic_hash for tool in TOOLS}
    everything = await found(again, "beta")
    assert everything[0] == "s__tool_beta"
    assert sorted(everything) == [tool.tool_id for tool in TOOLS]
    assert again.counters == Counters(0, 0)
    await again.close()


async def test_deleted_and_discarded_tools_are_not_found(tmp_path: Path) -> None:
    index = await open_index(HashingEmbedder(), cache=DictCache(), path=tmp_path)
    await index.upsert(TOOLS)
    await index.delete(TENANT, ["s__tool_alpha", "s__unknown"])
    await index.delete("other", ["s__tool_beta"])
    await index.discard([index.point_id(TENANT, "s__tool_gamma")])
    assert await found(index, "tool") == ["s__tool_beta"]
    await index.clear()
    assert await found(index, "tool") == []
    await index.close()


async def test_a_tenant_finds_its_own_tools_and_no_others(tmp_path: Path) -> None:
    index = await open_index(HashingEmbedder(), cache=DictCache(), path=tmp_path)
    await index.upsert(TOOLS)
    before = await index.search(SearchRequest(TENANT, ("beta", "tool_alpha"), 5))
    await index.upsert([document(f"s__tool_{n}", "Does beta alpha.", tenant="other") for n in range(30)])
    after = await index.search(SearchRequest(TENANT, ("beta", "tool_alpha"), 5))
    assert [ranking.candidates for ranking in after] == [ranking.candidates for ranking in before]
    assert await found(index, "beta", "nobody") == []
    await index.close()


class Bad(HashingEmbedder):
    """Gives one text another vector."""

    def __init__(self, row: float) -> None:
        super().__init__()
        self._row = row

    async def embed(self, texts: Sequence[str]) -> Matrix:
        vectors = await super().embed(texts)
        for number, text in enumerate(texts):
            if "beta" in text:
                vectors[number] = self._row
        return vectors


@pytest.mark.parametrize("value", [float("nan"), 0.0, float("inf"), 3.0])
async def test_a_vector_that_is_none_is_refused_and_its_tool_named(value: float) -> None:
    index = ToolIndex(Bad(value), DictCache(), MemoryEngine())
    with pytest.raises(IndexUnavailable, match="s__tool_beta"):
        await index.upsert(TOOLS)
    assert await index.inventory() == {}


async def test_the_version_names_all_that_a_ranking_depends_on() -> None:
    index = ToolIndex(HashingEmbedder(), DictCache(), MemoryEngine())
    assert index.version == "hashing-64:1|concat+name|text2|bm25:english:k1.2:b0.75:avg34:1"


def test_point_ids_are_stable_and_tell_tenants_and_tools_apart() -> None:
    assert point_id("acme", "s__t") == "8141117e-22a9-5b0d-bbf5-be9175d02752"
    assert len({point_id("a", "bc"), point_id("ab", "c"), point_id("a", "b")}) == 3


async def test_an_index_needs_a_place() -> None:
    with pytest.raises(IndexUnavailable, match="folder or the URL"):
        await open_index(HashingEmbedder(), cache=DictCache())


async def test_a_server_that_is_away_is_reported_in_one_sentence() -> None:
    if find_spec("qdrant_client") is None:
        absent("qdrant-client, of the extra [qdrant],")
    with pytest.raises(IndexUnavailable, match="The Qdrant server failed"):
        await open_index(HashingEmbedder(), cache=DictCache(), url="http://127.0.0.1:9")


async def test_cached_vectors_come_back_as_they_went_in() -> None:
    cache = DictCache()
    index = ToolIndex(HashingEmbedder(), cache, MemoryEngine())
    await index.upsert(TOOLS)
    before = {key: vector.copy() for key, vector in cache.vectors.items()}
    await index.upsert(TOOLS)
    assert before.keys() == cache.vectors.keys()
    for key, vector in before.items():
        np.testing.assert_array_equal(cache.vectors[key], vector)

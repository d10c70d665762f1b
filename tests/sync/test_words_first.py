"""An embedding model that is away while tools come: they are found by words at once, by meaning when it is back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from domain.errors import EmbedderUnavailable
from index.embedders.fake import HashingEmbedder
from index.ports import Matrix, SearchRequest
from index.tool_index import ToolIndex, open_index
from store.store import Store
from sync.indexer import Indexer
from tests.store.making import TENANT, a_server, a_tool, adding

pytestmark = pytest.mark.anyio


class Moody(HashingEmbedder):
    """Embeds while it is there."""

    def __init__(self) -> None:
        super().__init__()
        self.away = False

    async def embed(self, texts: Sequence[str]) -> Matrix:
        if self.away:
            raise EmbedderUnavailable("The model is away.")
        return await super().embed(texts)


class House:
    """A store, a model, and the index that is opened with them."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.store = store
        self.folder = folder
        self.model = Moody()

    async def open(self) -> tuple[ToolIndex, Indexer]:
        index = await open_index(self.model, cache=self.store.vectors, path=self.folder)
        return index, Indexer(self.store, index)

    async def add(self, server: str, *words: str) -> None:
        await self.store.servers.add(a_server(server))
        tools = [a_tool(word, server=server, description=f"Does {word}.") for word in words]
        await self.store.catalogue.apply(TENANT, server, adding(*tools), expected_generation=0, at=1.0)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    store = await Store.open(f"sqlite:///{tmp_path}/toolcrib.db")
    yield House(store, tmp_path / "index")
    await store.close()


async def best(index: ToolIndex, query: str) -> tuple[str, tuple[str, ...]]:
    [ranking] = await index.search(SearchRequest(TENANT, (query,), 3))
    return ranking.candidates[0].tool_id, ranking.degraded


async def test_tools_that_come_while_the_model_is_away_are_found_by_words(house: House) -> None:
    await house.add("files", "alpha", "beta")
    await house.add("mail", "gamma")
    house.model.away = True
    index, indexer = await house.open()
    with pytest.raises(EmbedderUnavailable):
        await indexer.drain()
    for word, server in (("beta", "files"), ("gamma", "mail")):
        tool, degraded = await best(index, f"does {word}")
        assert tool == f"{server}__{word}"
        assert "embedder" in degraded
    assert await index.cursor() == 0  # nothing is done yet

    house.model.away = False
    await indexer.drain()
    assert await best(index, "does beta") == ("files__beta", ())
    active = await house.store.catalogue.active_keys()
    assert await index.inventory() == {index.point_id(key.tenant, key.tool_id): key.semantic_hash for key in active}
    assert await index.cursor() == await house.store.changes.head()
    await index.close()


async def test_a_restart_meanwhile_loses_nothing(house: House) -> None:
    await house.add("files", "alpha", "beta")
    house.model.away = True
    index, indexer = await house.open()
    with pytest.raises(EmbedderUnavailable):
        await indexer.drain()
    await index.close()
    index, indexer = await house.open()
    assert (await best(index, "does beta"))[0] == "files__beta"
    house.model.away = False
    await indexer.drain()
    assert await best(index, "does beta") == ("files__beta", ())
    assert index.counters.embedded > 0
    await index.close()


async def test_what_had_its_vectors_before_keeps_them(house: House) -> None:
    await house.add("files", "alpha", "beta")
    index, indexer = await house.open()
    await indexer.drain()
    before = await index.inventory()
    house.model.away = True
    await house.add("mail", "gamma")
    with pytest.raises(EmbedderUnavailable):
        await indexer.drain()
    after = await index.inventory()
    assert {point: after[point] for point in before} == before
    assert set(after.values()) - set(before.values()) == {""}
    await index.close()

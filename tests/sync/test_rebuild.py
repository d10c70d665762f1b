"""A changed embedding model, with the real store, index and indexer: searches are answered all the way through."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from domain.errors import StorageFull
from index.live import LiveIndex, Place, open_live
from index.ports import SearchRequest
from index.tool_index import ToolIndex
from store.store import Store
from sync.diff import diff
from sync.indexer import Indexer
from sync.rebuild import Rebuild
from tests.index.test_live import Models
from tests.store.making import TENANT, a_document, a_server

pytestmark = pytest.mark.anyio

WORDS = ("alpha", "beta", "gamma", "delta")


class House:
    """A store with tools, and what indexes them; `restart` opens the index with another model."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.store = store
        self.models = Models()
        self.place = Place(folder / "index", store.vectors)
        self.slept: list[float] = []

    async def open(self, recipe: str) -> tuple[LiveIndex, Indexer, Rebuild]:
        live = await open_live(self.place, self.models, recipe)
        indexer = Indexer(self.store, live.serving)
        return live, indexer, Rebuild(self.store, indexer, live, sleep=self._sleep)

    async def lists(self, *words: str) -> None:
        """The server's tools are now these."""
        known = await self.store.catalogue.known(TENANT, "files")
        generation = (await self.store.servers.get(TENANT, "files")).generation
        documents = [a_document(word, description=f"Does {word}.") for word in words]
        changes = diff(known, documents, TENANT, "files", generation + 1)
        await self.store.catalogue.apply(TENANT, "files", changes, expected_generation=generation, at=1.0)

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.models.away.clear()
        await asyncio.sleep(0)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    store = await Store.open(f"sqlite:///{tmp_path}/toolcrib.db")
    await store.servers.add(a_server("files"))
    made = House(store, tmp_path)
    await made.lists(*WORDS)
    yield made
    await store.close()


async def best(live: LiveIndex, word: str) -> tuple[str, tuple[str, ...]]:
    [ranking] = await live.search(SearchRequest(TENANT, (f"does {word}",), 3))
    return ranking.candidates[0].tool_id, ranking.degraded


async def test_searches_are_answered_while_another_model_builds_its_index(house: House) -> None:
    live, indexer, rebuild = await house.open("h32")
    await indexer.drain()
    await rebuild.run()
    await live.close()

    live, indexer, rebuild = await house.open("h64")
    old = live.version
    building = asyncio.create_task(rebuild.run())
    answers = []
    while not building.done():
        answers.append(await best(live, "beta"))
        await asyncio.sleep(0)
    await building
    assert answers
    assert set(answers) == {("files__beta", ())}
    assert live.version != old
    assert await live.cursor() == await house.store.changes.head()
    assert await best(live, "gamma") == ("files__gamma", ())
    await live.close()


async def test_what_changes_during_the_rebuild_is_in_both_indexes(house: House) -> None:
    live, indexer, _ = await house.open("h32")
    await indexer.drain()
    await live.close()
    live, indexer, rebuild = await house.open("h64")
    successor = await live.successor()
    await Indexer(house.store, successor).drain()
    await house.lists("alpha", "epsilon")
    await indexer.drain()
    assert (await best(live, "epsilon"))[0] == "files__epsilon"
    await rebuild.run()
    assert live.serving is successor
    assert (await best(live, "epsilon"))[0] == "files__epsilon"
    assert len(await live.serving.inventory()) == 2
    await house.lists("alpha", "zeta")
    await indexer.drain()  # follows the new one from now on
    assert (await best(live, "zeta"))[0] == "files__zeta"
    await live.close()


async def test_a_model_that_is_away_is_asked_again_until_it_is_there(house: House) -> None:
    house.models.away = {"h64"}
    live, indexer, rebuild = await house.open("h64")
    await indexer.drain()
    assert await best(live, "beta") == ("files__beta", ("embedder",))
    await rebuild.run()
    assert house.slept == [1.0]
    assert await best(live, "beta") == ("files__beta", ())
    assert live.state == "h64 answers"
    await live.close()


async def test_a_disk_that_is_full_leaves_the_old_index_serving(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    live, indexer, _ = await house.open("h32")
    await indexer.drain()
    await live.close()
    live, _, rebuild = await house.open("h64")
    successor = await live.successor()
    upsert = successor.upsert
    tries = iter([StorageFull(), None])

    async def full(documents: object) -> object:
        if (failure := next(tries)) is not None:
            raise failure
        return await upsert(documents)  # type: ignore[arg-type]

    monkeypatch.setattr(ToolIndex, "upsert", lambda _self, documents: full(documents))
    await rebuild.run()
    assert len(house.slept) == 1
    assert live.is_current
    assert (await best(live, "beta"))[0] == "files__beta"
    await live.close()

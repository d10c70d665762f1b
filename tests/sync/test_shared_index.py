"""Two gateways, one index between them: one writes, the other waits; what a late one wrote is written anew."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from domain.errors import IndexUnavailable
from index.ports import IndexDocument, UpsertReport
from store.keyring import KEY_FILE, FileKeys
from store.leases import LeaseLost
from store.store import Store
from sync.fakes import FakeIndex
from sync.shared_index import SharedIndexer
from tests.store.databases import run_sql
from tests.store.making import NOW, TENANT, a_server, a_tool, adding

pytestmark = pytest.mark.anyio


@dataclass
class OneIndex(FakeIndex):
    """What both write to. With a `pause`, the next write says that it is `paused` and waits for it."""

    version: str = "one"
    pause: asyncio.Event | None = None
    paused: asyncio.Event = field(default_factory=asyncio.Event)

    async def upsert(self, documents: Sequence[IndexDocument]) -> UpsertReport:
        if (pause := self.pause) is not None:
            self.pause = None
            self.paused.set()
            await pause.wait()
        return await super().upsert(documents)


@dataclass
class House:
    """One shared index, and what two gateways have of it."""

    url: str
    index: OneIndex
    stores: list[Store]
    indexers: list[SharedIndexer]

    async def offer(self, *names: str, words: str = "") -> None:
        store = self.stores[0]
        generation = (await store.servers.get(TENANT, "files")).generation
        tools = adding(*(a_tool(name, description=words) for name in names))
        await store.catalogue.apply(TENANT, "files", tools, expected_generation=generation, at=NOW)

    def texts(self) -> dict[str, str]:
        return {document.tool_id: document.text.description for document in self.index.points.values()}


@pytest.fixture
async def house(postgres_url: str, tmp_path: Path) -> AsyncIterator[House]:
    stores = [await Store.open(postgres_url, FileKeys(tmp_path / KEY_FILE)) for _ in range(2)]
    index = OneIndex()
    await stores[0].servers.add(a_server())
    yield House(postgres_url, index, stores, [SharedIndexer(store, index, patience_s=0.6) for store in stores])
    for store in stores:
        await store.close()


async def test_the_holder_writes_and_the_other_returns_when_it_has(house: House) -> None:
    first, second = house.indexers
    await first.lead.attempt()
    await house.offer("read", "write")

    waiting = asyncio.create_task(second.drain())
    await first.drain()
    await waiting

    assert len(house.index.points) == 2
    assert await house.stores[1].changes.cursor(first._shared.name) == await house.stores[1].changes.head()
    with pytest.raises(LeaseLost):
        await second.reconcile()


async def test_one_that_waits_in_vain_says_so(house: House) -> None:
    await house.indexers[0].lead.attempt()
    await house.offer("read")

    with pytest.raises(IndexUnavailable, match="has not followed yet"):
        await house.indexers[1].drain()


async def test_whoever_takes_over_begins_with_a_comparison(house: House) -> None:
    first, second = house.indexers
    await first.lead.attempt()
    await house.offer("read")
    await first.drain()
    house.index.points.clear()  # while nobody looked
    await expire(house)
    await second.lead.attempt()

    await second.drain()

    assert len(house.index.points) == 1


async def test_what_a_holder_writes_after_it_lost_the_lease_is_written_anew_by_the_next(house: House) -> None:
    late, next_ = house.indexers
    await late.lead.attempt()
    await house.offer("read", words="the old words")
    house.index.pause = pause = asyncio.Event()
    writing = asyncio.create_task(late.drain())
    await house.index.paused.wait()  # it has read the old words, and is paused before it writes them
    await expire(house)
    await next_.lead.attempt()
    await house.offer("read", words="the new words")
    await next_.drain()

    pause.set()
    await writing
    assert house.texts() == {"files__read": "the old words"}
    await next_.drain()

    assert house.texts() == {"files__read": "the new words"}


async def test_a_server_that_lost_its_collection_is_filled_again(house: House) -> None:
    first = house.indexers[0]
    await first.lead.attempt()
    await house.offer("read")
    await first.drain()
    house.index.points.clear()
    house.index.position = 0

    await first.drain()

    assert len(house.index.points) == 1


async def expire(house: House) -> None:
    await run_sql(make_url(house.url), "UPDATE leases SET expires_at = 1")

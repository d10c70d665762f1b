"""What other gateways changed is looked at again; what is remembered stays while nobody can look."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from domain.errors import StoreUnavailable
from gateway.freshness import Freshness
from gateway.replicas import Replicas
from gateway.use_cases.catalogue import CatalogueReader
from servers.fake import FakePool
from store.notices import Notice, NoticeKind
from store.store import Store
from tests.store.making import NOW, TENANT, a_server, a_tool, adding

pytestmark = pytest.mark.anyio

PATIENCE_S = 10


class Wakes:
    """Remembers whether the index was told to look."""

    def __init__(self) -> None:
        self.told = asyncio.Event()

    def index(self) -> None:
        self.told.set()

    def request(self) -> None: ...

    def answer(self, request_id: str) -> None: ...

    def lease(self) -> None: ...

    def policy(self) -> None: ...


async def test_what_may_have_changed_is_forgotten_once_the_store_can_be_read_and_not_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await Store.open(f"sqlite:///{tmp_path}/toolcrib.db")
    await store.servers.add(a_server())
    await store.catalogue.apply(TENANT, "files", adding(a_tool("read")), expected_generation=0, at=NOW)
    reader, wakes = CatalogueReader(store), Wakes()
    await reader.get_many(TENANT, ["files__read"])
    read, refused, back = store.changes.head, asyncio.Event(), asyncio.Event()

    async def head() -> int:
        if back.is_set():
            return await read()
        refused.set()
        raise StoreUnavailable

    async def missed(hear: Callable[[Notice], None]) -> None:
        hear(Notice(NoticeKind.MISSED))
        await asyncio.Event().wait()

    monkeypatch.setattr(store.changes, "head", head)
    monkeypatch.setattr(store.notices, "run", missed)
    replicas = Replicas(store, reader, Freshness(lambda: "1"), FakePool(), wakes)
    following = asyncio.create_task(replicas.run())
    try:
        async with asyncio.timeout(PATIENCE_S):
            await refused.wait()
            while_away = reader.remembered(TENANT, ["files__read"])
            back.set()
            await wakes.told.wait()
        assert "files__read" in while_away
        assert reader.remembered(TENANT, ["files__read"]) == {}
    finally:
        following.cancel()
        await asyncio.wait({following})
        await store.close()

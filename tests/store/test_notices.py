"""What one gateway commits, the others hear; after a gap they hear that they may have missed something."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from domain.overlays import Overlay
from store.keyring import KEY_FILE, FileKeys
from store.notices import Notice, NoticeKind
from store.store import Store
from tests.store.databases import run_sql
from tests.store.making import NOW, TENANT, a_server, a_tool, adding

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def hearing(store: Store) -> AsyncIterator[asyncio.Queue[Notice]]:
    heard: asyncio.Queue[Notice] = asyncio.Queue()
    task = asyncio.create_task(store.notices.run(heard.put_nowait))
    assert await soon(heard) == Notice(NoticeKind.MISSED)
    yield heard
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def soon(heard: asyncio.Queue[Notice]) -> Notice:
    async with asyncio.timeout(5):
        return await heard.get()


@pytest.fixture
async def pair(postgres_url: str, tmp_path: Path) -> AsyncIterator[tuple[Store, Store]]:
    keys = FileKeys(tmp_path / KEY_FILE)
    opened = await Store.open(postgres_url, keys), await Store.open(postgres_url, keys)
    yield opened
    for store in opened:
        await store.close()


async def test_another_gateway_hears_of_servers_tools_and_names(pair: tuple[Store, Store]) -> None:
    here, there = pair
    of_files = (TENANT, "files")
    async with hearing(there) as heard:
        await here.servers.add(a_server())
        assert await soon(heard) == Notice(NoticeKind.SERVER, *of_files)

        await here.catalogue.apply(TENANT, "files", adding(a_tool("read")), expected_generation=0, at=NOW)
        assert await soon(heard) == Notice(NoticeKind.CATALOGUE, *of_files)

        await here.overlays.put(TENANT, a_tool("read").tool_id, Overlay(alias="look"))
        assert await soon(heard) == Notice(NoticeKind.CATALOGUE, *of_files)

        await here.servers.remove(*of_files)
        assert await soon(heard) == Notice(NoticeKind.SERVER, *of_files)


async def test_what_is_not_committed_is_not_told_and_what_one_says_oneself_is_not_heard(
    pair: tuple[Store, Store],
) -> None:
    here, there = pair
    async with hearing(there) as heard:
        with pytest.raises(Exception, match="registered already"):
            await asyncio.gather(here.servers.add(a_server()), here.servers.add(a_server()))
        await there.servers.add(a_server("own"))
        await here.servers.add(a_server("last"))

        said = [await soon(heard), await soon(heard)]

    assert [notice.subject for notice in said] == ["files", "last"]


async def test_a_listener_whose_connection_broke_hears_that_it_missed_something(
    pair: tuple[Store, Store], postgres_url: str
) -> None:
    here, there = pair
    async with hearing(there) as heard:
        await run_sql(
            make_url(postgres_url),
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            f" WHERE application_name = 'toolcrib/{there._database.id}'",
        )

        assert await soon(heard) == Notice(NoticeKind.MISSED)
        await here.servers.add(a_server())
        assert await soon(heard) == Notice(NoticeKind.SERVER, TENANT, "files")

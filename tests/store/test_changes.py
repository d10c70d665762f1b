"""The change log: numbered without gaps, in the order of commits."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.catalogue import IndexChange
from store.keyring import KEY_FILE, FileKeys
from store.numbering import Numbered, allocate
from store.store import Store
from tests.store.making import NOW, TENANT, a_server, a_tool, adding

pytestmark = pytest.mark.anyio


async def test_an_empty_log_has_head_zero(store: Store) -> None:
    assert (await store.changes.head(), await store.changes.after(0, 10)) == (0, [])


async def test_a_reader_that_follows_concurrent_writers_misses_nothing(store: Store) -> None:
    slugs = [f"s{n}" for n in range(8)]
    for slug in slugs:
        await store.servers.add(a_server(slug))
    followed: list[IndexChange] = []

    async def follow() -> None:
        while len(followed) < 8 * 5 * 3:
            followed.extend(await store.changes.after(followed[-1].seq if followed else 0, 7))

    async def write(slug: str) -> None:
        for generation in range(5):
            tools = (a_tool(f"t{generation}{n}", server=slug) for n in range(3))
            await store.catalogue.apply(TENANT, slug, adding(*tools), expected_generation=generation, at=NOW)

    async with asyncio.timeout(60):
        await asyncio.gather(follow(), *(write(slug) for slug in slugs))

    assert [change.seq for change in followed] == list(range(1, 121))
    assert len({change.tool_id for change in followed}) == 120


async def test_a_number_taken_first_is_seen_first_even_when_its_transaction_is_slow(
    postgres_url: str, tmp_path: Path
) -> None:
    """With a plain sequence the second writer would commit number 2 while number 1 is still in flight."""
    keys = FileKeys(tmp_path / KEY_FILE)
    slow, quick = await Store.open(postgres_url, keys), await Store.open(postgres_url, keys)
    await quick.servers.add(a_server())
    allocated, finish = asyncio.Event(), asyncio.Event()

    async def slow_writer() -> None:
        async def work(connection: AsyncConnection) -> None:
            await allocate(connection, Numbered.CHANGES, 1)
            allocated.set()
            await finish.wait()

        await slow._database.transaction(work)

    first = asyncio.create_task(slow_writer())
    await allocated.wait()
    second = asyncio.create_task(
        quick.catalogue.apply(TENANT, "files", adding(a_tool("read")), expected_generation=0, at=NOW)
    )
    done, _ = await asyncio.wait([second], timeout=0.3)
    seen_meanwhile = await slow.changes.after(0, 10)
    finish.set()
    await asyncio.gather(first, second)

    assert (done, seen_meanwhile) == (set(), [])
    assert [change.seq for change in await slow.changes.after(0, 10)] == [2]
    await slow.close()
    await quick.close()


async def test_a_rolled_back_transaction_leaves_no_gap(store: Store) -> None:
    await store.servers.add(a_server())

    async def work(connection: AsyncConnection) -> None:
        await allocate(connection, Numbered.CHANGES, 5)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await store._database.transaction(work)

    await store.catalogue.apply(TENANT, "files", adding(a_tool("read")), expected_generation=0, at=NOW)

    assert [change.seq for change in await store.changes.after(0, 10)] == [1]


async def test_a_shared_cursor_moves_forward_only(store: Store) -> None:
    assert await store.changes.cursor("qdrant") == 0

    await store.changes.advance("qdrant", 7)
    await store.changes.advance("qdrant", 5)
    await store.changes.advance("other", 1)

    assert (await store.changes.cursor("qdrant"), await store.changes.cursor("other")) == (7, 1)

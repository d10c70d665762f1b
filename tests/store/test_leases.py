"""Leases and fencing tokens: of several holders in a row only the newest may write."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from domain.catalogue import CatalogueDiff
from domain.errors import StoreUnavailable
from store.keyring import KEY_FILE, FileKeys
from store.leases import Lease, LeaseLost, require
from store.store import Store
from tests.store.databases import run_sql
from tests.store.making import NOW, TENANT, a_server, a_tool, adding

pytestmark = pytest.mark.anyio

WEEK_S = 7 * 24 * 3600.0


@pytest.fixture
async def other(store_url: str, store: Store, tmp_path: Path) -> AsyncIterator[Store]:
    """A second handle on the store's database, as another gateway has it."""
    assert store.is_shared is store_url.startswith("postgresql")
    opened = await Store.open(store_url, FileKeys(tmp_path / KEY_FILE))
    yield opened
    await opened.close()


async def taken(store: Store, ttl_s: float = WEEK_S) -> Lease:
    lease = await store.leases.take("work", ttl_s)
    assert lease is not None
    return lease


async def expire(store: Store) -> None:
    await store._database.transaction(lambda connection: connection.execute(text("UPDATE leases SET expires_at = 1")))


async def test_of_two_who_ask_one_gets_the_lease(store: Store, other: Store) -> None:
    leases = await asyncio.gather(*(one.leases.take("work", WEEK_S) for one in (store, other) for _ in range(5)))

    assert [lease for lease in leases if lease is not None] == [Lease("work", 1)]


async def test_an_expired_lease_goes_to_the_next_who_asks_under_a_greater_token(store: Store, other: Store) -> None:
    first = await taken(store)
    assert await other.leases.take("work", WEEK_S) is None

    await expire(store)
    second = await taken(other)

    assert second.token > first.token
    assert not await store.leases.renew(first, WEEK_S)
    assert await other.leases.renew(second, WEEK_S)


async def test_an_expired_lease_that_nobody_took_is_renewed_under_its_token(store: Store, other: Store) -> None:
    lease = await taken(store)
    await expire(store)

    assert await store.leases.renew(lease, WEEK_S)
    assert await other.leases.take("work", WEEK_S) is None


async def test_a_lease_that_was_given_back_is_free_and_its_token_is_not_used_again(store: Store, other: Store) -> None:
    first = await taken(store)
    await store.leases.release(first)

    second = await taken(other)
    await store.leases.release(first)  # a late goodbye takes nothing from the next holder

    assert second.token > first.token
    assert await other.leases.renew(second, WEEK_S)


async def test_a_lease_written_before_the_clock_was_set_back_counts_as_expired(store: Store, other: Store) -> None:
    await taken(store, ttl_s=3600.0 + 5.0)  # as if the database's clock had been an hour ahead

    assert await other.leases.take("work", 5.0) is not None


async def test_a_catalogue_is_written_only_under_the_newest_token(store: Store, other: Store) -> None:
    await store.servers.add(a_server())
    old = await taken(store)
    await expire(store)
    new = await taken(other)

    async def write(by: Store, lease: Lease, diff: CatalogueDiff) -> int:
        generation = (await by.servers.get(TENANT, "files")).generation
        return await by.catalogue.apply(TENANT, "files", diff, expected_generation=generation, at=NOW, lease=lease)

    with pytest.raises(LeaseLost):
        await write(store, old, adding(a_tool("read")))
    assert await other.catalogue.known(TENANT, "files") == []
    assert await write(other, new, adding(a_tool("read"))) == 1


async def test_a_shared_cursor_moves_only_under_the_newest_token(store: Store, other: Store) -> None:
    old = await taken(store)
    await store.changes.advance("shared", 3, old)
    await expire(store)
    new = await taken(other)

    with pytest.raises(LeaseLost):
        await store.changes.advance("shared", 9, old)
    await other.changes.advance("shared", 4, new)
    assert await store.changes.cursor("shared") == 4


async def test_a_takeover_waits_for_a_write_that_began_under_the_token_before(postgres_url: str) -> None:
    first, second = await Store.open(postgres_url), await Store.open(postgres_url)
    lease = await taken(first)
    await expire(first)
    async with first._database._writer.begin() as connection:
        await require(connection, lease)
        takeover = asyncio.create_task(second.leases.take("work", WEEK_S))
        done, _ = await asyncio.wait({takeover}, timeout=0.3)
        assert not done
        assert await first.leases.renew(lease, WEEK_S)  # renewing does not wait for writes

    assert await takeover is None  # it was renewed meanwhile
    await first.close()
    await second.close()


async def test_a_transaction_that_stands_still_is_given_up_and_blocks_no_takeover(postgres_url: str) -> None:
    """The paused gateway: its transaction began under the old token and will not end by itself."""
    paused, awake = await Store.open(postgres_url), await Store.open(postgres_url)
    lease = await taken(paused)
    await run_sql(make_url(postgres_url), "UPDATE leases SET expires_at = 1")
    connection = await paused._database._writer.connect()

    await require(connection, lease)

    async with asyncio.timeout(9):
        assert (await taken(awake)).token == lease.token + 1
    with pytest.raises(StoreUnavailable):
        await paused._database.unbroken(connection.execute(text("SELECT 1")))
    await connection.invalidate()
    await paused.close()
    await awake.close()

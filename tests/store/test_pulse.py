"""A PostgreSQL that says nothing is given up soon, and one that is only slow is waited for."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.engine import URL

from domain.errors import StoreUnavailable
from store.database import Database
from store.pulse import Pulse
from tests.faults.proxy import Fault, FaultProxy, fault_proxy

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def reached_through_a_proxy(
    url: URL, slow_s: float, within_s: float
) -> AsyncIterator[tuple[Database, FaultProxy]]:
    async with fault_proxy(url.port or 5432) as proxy:
        database = Database(url.set(drivername="postgresql+asyncpg", host="127.0.0.1", port=proxy.port))
        assert database._pulse is not None
        database._pulse = Pulse(database._pulse._engine, slow_s, within_s)
        try:
            yield database, proxy
        finally:
            proxy.fault = Fault.PASS
            await database.close()


@pytest.mark.parametrize("fault", [Fault.HALF_OPEN, Fault.BLACK_HOLE])
async def test_a_database_that_goes_silent_is_said_to_be_away_and_is_back_once_it_answers(
    migrated_postgres: URL, fault: Fault
) -> None:
    async with reached_through_a_proxy(migrated_postgres, 0.2, 1.0) as (database, proxy):
        assert await database.rows(text("SELECT 1")) == [(1,)]
        proxy.fault = fault
        if fault is Fault.BLACK_HOLE:
            await proxy.drop_all()  # new connections are taken, and never answered
        async with asyncio.timeout(10):
            with pytest.raises(StoreUnavailable):
                await database.rows(text("SELECT 1"))
        proxy.fault = Fault.PASS
        async with asyncio.timeout(30):
            while not await answers(database):
                pass
        assert await database.rows(text("SELECT 2")) == [(2,)]


async def answers(database: Database) -> bool:
    try:
        await database.rows(text("SELECT 1"))
    except StoreUnavailable as away:
        await asyncio.sleep(away.retry_after_s or 0.1)
        return False
    return True


async def test_a_statement_that_takes_many_times_as_long_is_waited_for_while_the_database_answers(
    migrated_postgres: URL,
) -> None:
    async with reached_through_a_proxy(migrated_postgres, 0.05, 10.0) as (database, _):
        assert await database.rows(text("SELECT 1 FROM (SELECT pg_sleep(1)) AS slow")) == [(1,)]


async def given_up(database: Database, statement: str) -> tuple[asyncio.Task[Any], asyncio.Task[Any]]:
    """The caller, who is cancelled as soon as the statement has begun, and the statement's own task."""
    asked = asyncio.create_task(database.rows(text(statement)))
    await asyncio.sleep(0)  # it begins
    [work] = database._running
    asked.cancel()
    return asked, work


async def test_a_caller_who_gives_up_does_not_end_a_transaction_that_is_under_way(migrated_postgres: URL) -> None:
    async with reached_through_a_proxy(migrated_postgres, 0.05, 10.0) as (database, _):
        await database.rows(text("SELECT 1"))
        asked, work = await given_up(database, "SELECT 1 FROM (SELECT pg_sleep(0.5)) AS slow")
        assert await work == [(1,)]
        assert asked.cancelled()


async def test_a_statement_that_fails_behind_a_caller_who_gave_up_is_no_unexpected_error(
    migrated_postgres: URL,
) -> None:
    unexpected: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, said: unexpected.append(said))
    async with reached_through_a_proxy(migrated_postgres, 0.05, 10.0) as (database, _):
        await database.rows(text("SELECT 1"))
        asked, work = await given_up(database, "SELECT 1 / (SELECT 0 FROM pg_sleep(0.3))")
        await asyncio.wait({work})
        del work, asked
        gc.collect()  # a task says so when it goes
    assert not unexpected

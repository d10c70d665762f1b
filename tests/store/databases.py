"""Fixtures: a store on SQLite and on PostgreSQL, fresh for every test. TOOLCRIB_TEST_POSTGRES names the server.

A run makes a PostgreSQL database of its own and drops it; SQLite tests copy a migrated template.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from store.keyring import KEY_FILE, FileKeys
from store.store import Store
from store.tables import METADATA
from tests.conftest import absent

KEPT = {"counters", "schema_floor"}
"""Tables whose rows the migrations make."""

DEFAULT_POSTGRES = "postgresql+asyncpg://postgres@127.0.0.1:5432/postgres"


def _plain(url: URL) -> str:
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


async def run_sql(url: URL, *statements: str) -> None:
    """Each statement by itself, outside any transaction."""
    engine = create_async_engine(url.set(drivername="postgresql+asyncpg"), isolation_level="AUTOCOMMIT")
    try:
        async with engine.connect() as connection:
            for statement in statements:
                await connection.exec_driver_sql(statement)
    finally:
        await engine.dispose()


async def _migrated(url: str) -> None:
    await (await Store.open(url)).close()


def postgres_address() -> URL:
    """The server that tests may make databases on, if it is there."""
    return make_url(os.environ.get("TOOLCRIB_TEST_POSTGRES", DEFAULT_POSTGRES))


@pytest.fixture(scope="session")
def postgres_server() -> URL:
    """The server that tests may make databases on; skips with a reason when there is none."""
    url = postgres_address()
    try:
        asyncio.run(run_sql(url, "SELECT 1"))
    except (OSError, DBAPIError) as error:
        absent(f"PostgreSQL at {url.host}:{url.port} (TOOLCRIB_TEST_POSTGRES; {error})")
    return url


@pytest.fixture(scope="session")
def empty_postgres(postgres_server: URL) -> Iterator[URL]:
    """An empty database, dropped after the run."""
    yield from _own_database(postgres_server)


@pytest.fixture(scope="session")
def migrated_postgres(postgres_server: URL) -> Iterator[URL]:
    """A database at the present schema, dropped after the run."""
    for url in _own_database(postgres_server):
        asyncio.run(_migrated(_plain(url)))
        yield url


def _own_database(server: URL) -> Iterator[URL]:
    name = f"toolcrib_test_{os.getpid()}_{secrets.token_hex(4)}"
    asyncio.run(run_sql(server, f"CREATE DATABASE {name}"))
    yield server.set(database=name)
    asyncio.run(run_sql(server, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    asyncio.run(_migrated(f"sqlite:///{path}"))
    return path


@pytest.fixture
def sqlite_url(tmp_path: Path, migrated_sqlite: Path) -> str:
    """A fresh migrated file."""
    path = tmp_path / "toolcrib.db"
    shutil.copy(migrated_sqlite, path)
    return f"sqlite:///{path}"


@pytest.fixture
async def postgres_url(migrated_postgres: URL) -> str:
    """The run's own database, emptied."""
    tables = ", ".join(table for table in METADATA.tables if table not in KEPT)
    await run_sql(migrated_postgres, f"TRUNCATE {tables}", "UPDATE counters SET value = 0")
    return _plain(migrated_postgres)


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest) -> str:
    """The URL of a fresh, migrated database of either kind."""
    return str(request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url"))


@pytest.fixture
async def store(store_url: str, tmp_path: Path) -> AsyncIterator[Store]:
    opened = await Store.open(store_url, FileKeys(tmp_path / KEY_FILE))
    yield opened
    await opened.close()

"""Opening a database: schema, migrations, and every way it can go wrong."""

from __future__ import annotations

import asyncio
import os
import stat
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Executable, text
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

import migrations
from domain.errors import InvalidInput, StoreUnavailable
from store.database import Database
from store.revision import HEAD, revision
from store.store import Store
from store.tables import METADATA
from store.url import database_url, shown
from tests.store.databases import run_sql

pytestmark = pytest.mark.anyio


async def test_the_migrations_make_exactly_the_tables_the_code_describes(store_url: str) -> None:
    def differences(connection: Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection), METADATA))

    engine = create_async_engine(database_url(store_url))
    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    await engine.dispose()


async def test_the_tenant_leads_every_primary_key_of_what_belongs_to_a_tenant() -> None:
    first = {name: next(iter(table.primary_key.columns)).name for name, table in METADATA.tables.items()}

    assert {name for name, column in first.items() if column != "tenant"} == {
        "counters",
        "cursors",
        "schema_floor",
        "leases",
        "vectors",
    }


async def test_the_revision_the_code_expects_is_the_newest_migration() -> None:
    assert ScriptDirectory(str(next(iter(migrations.__path__)))).get_current_head() == HEAD


def test_opening_an_up_to_date_database_does_not_import_alembic(sqlite_url: str) -> None:
    program = (
        "import asyncio, sys\nfrom store.store import Store\n"
        f"async def main():\n    await (await Store.open({sqlite_url!r})).close()\n"
        "asyncio.run(main())\nsys.exit('alembic' in sys.modules)"
    )

    done = subprocess.run([sys.executable, "-W", "error", "-c", program], check=False, capture_output=True, text=True)

    assert (done.returncode, done.stderr) == (0, "")


async def test_a_new_sqlite_file_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    store = await Store.open(f"sqlite:///{tmp_path}/new.db")
    rights = {entry.name: stat.S_IMODE(entry.stat().st_mode) for entry in os.scandir(tmp_path)}
    await store.close()

    assert rights == dict.fromkeys(("new.db", "new.db-wal", "new.db-shm"), 0o600)


async def test_an_interrupted_migration_leaves_nothing_behind_and_the_next_start_finishes_it(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/half.db"
    database = Database(database_url(url))

    async def half(connection: AsyncConnection) -> None:
        await connection.exec_driver_sql("CREATE TABLE servers (tenant TEXT)")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await database.transaction(half)
    await database.close()

    store = await Store.open(url)

    assert await store.servers.everywhere() == []
    await store.close()


async def test_two_gateways_that_start_together_migrate_one_postgres_once(empty_postgres: URL) -> None:
    url = empty_postgres.render_as_string(hide_password=False)
    stores = await asyncio.gather(*(Store.open(url) for _ in range(3)))

    assert [await store.changes.head() for store in stores] == [0, 0, 0]
    for store in stores:
        await store.close()


async def test_a_database_of_a_newer_toolcrib_that_does_not_bear_this_one_is_refused(store_url: str) -> None:
    database = Database(database_url(store_url))

    async def pretend(revision: str) -> None:
        for change in ("UPDATE alembic_version SET version_num = :newer", "UPDATE schema_floor SET revision = :newer"):
            statement = text(change).bindparams(newer=revision)
            await database.transaction(partial(_execute, statement))

    await pretend("9999")
    try:
        with pytest.raises(StoreUnavailable, match=r"newer Toolcrib wrote this database \(schema 9999, .* upgrade"):
            await Store.open(store_url)
    finally:
        await pretend(HEAD)
        await database.close()


async def test_a_file_that_is_no_database_is_named_so_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "letter.db"
    path.write_bytes(b"Dear reader, this is not a database. " * 200)
    before = path.read_bytes()

    with pytest.raises(StoreUnavailable, match="no SQLite database"):
        await Store.open(f"sqlite:///{path}")

    assert path.read_bytes() == before


async def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match=r"missing.*No such file or directory"):
        await Store.open(f"sqlite:///{tmp_path}/missing/toolcrib.db")


async def test_a_postgres_that_is_not_there_is_store_unavailable() -> None:
    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        await Store.open("postgresql://nobody:secret@127.0.0.1:1/none")


async def test_a_postgres_without_that_database_says_so(postgres_server: URL) -> None:
    url = postgres_server.set(database="toolcrib_no_such_database").render_as_string(hide_password=False)

    with pytest.raises(StoreUnavailable, match="does not exist"):
        await Store.open(url)


@pytest.mark.parametrize(
    "url", ["", "no url", "mysql://u:secret@h/db", "sqlite://", "sqlite:///:memory:", "sqlite:///"]
)
async def test_a_url_that_cannot_be_used_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        await Store.open(url)

    assert "secret" not in caught.value.message


async def test_a_shown_url_hides_the_password() -> None:
    assert shown(database_url("postgresql://u:secret@h/db?password=x")) == "postgresql+asyncpg://u:***@h/db"


async def test_a_connection_cut_by_the_server_heals_by_itself(postgres_url: str, postgres_server: URL) -> None:
    store = await Store.open(postgres_url)
    name = database_url(postgres_url).database
    await run_sql(
        postgres_server,
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'",
    )

    assert await store.changes.head() == 0
    await store.close()


async def test_a_newer_schema_that_bears_this_code_is_opened_and_left_as_it_is(sqlite_url: str) -> None:
    database = Database(database_url(sqlite_url))
    await database.transaction(partial(_execute, text("UPDATE alembic_version SET version_num = '9999'")))
    await database.close()

    store = await Store.open(sqlite_url)

    assert await store.changes.head() == 0
    assert await store._database.inspect(revision) == "9999"
    await store.close()


async def _execute(statement: Executable, connection: AsyncConnection) -> None:
    await connection.execute(statement)

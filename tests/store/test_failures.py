"""What the database reports, by its house name."""

from __future__ import annotations

import sqlite3

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from domain.errors import Conflict, InvalidInput, StorageFull, StoreUnavailable, ToolcribError
from domain.events import Event, EventKind
from store.failures import named_failures
from store.store import Store
from tests.store.making import NOW, TENANT

pytestmark = pytest.mark.anyio


async def test_a_full_disk_refuses_writes_keeps_reading_and_recovers_without_a_restart(sqlite_url: str) -> None:
    store = await Store.open(sqlite_url)
    batch = [Event(TENANT, "local", EventKind.SEARCH, NOW, body={"text": "x" * 4000}) for _ in range(50)]
    ((pages,),) = await store._database.rows(text("PRAGMA page_count"))
    await store._database.rows(text(f"PRAGMA max_page_count = {pages + 10}"))

    with pytest.raises(StorageFull, match="disk is nearly full"):
        await store.events.append(batch)
    assert await store.events.read(TENANT) == []
    with pytest.raises(StorageFull):
        await store.events.append(batch)

    await store._database.rows(text("PRAGMA max_page_count = 1000000"))
    await store.events.append(batch)
    assert len(await store.events.read(TENANT)) == 50
    await store.close()


async def test_a_damaged_file_is_named_so(sqlite_url: str) -> None:
    path = sqlite_url.removeprefix("sqlite:///")
    with open(path, "r+b") as file:  # noqa: ASYNC230, PTH123  a small local file
        file.seek(4096)
        file.write(b"\xff" * 40960)

    with pytest.raises(StoreUnavailable, match="damaged"):
        await Store.open(sqlite_url)


class FromPostgres(Exception):
    """Stands for asyncpg's exceptions, which carry a SQLSTATE."""

    def __init__(self, sqlstate: str) -> None:
        super().__init__(sqlstate)
        self.sqlstate = sqlstate


@pytest.mark.parametrize(
    ("sqlstate", "expected", "words"),
    [
        ("53100", StorageFull, "disk is nearly full"),
        ("53300", StoreUnavailable, "no room"),
        ("28P01", StoreUnavailable, "refused the user"),
        ("57P03", StoreUnavailable, "starting or stopping"),
        ("08006", StoreUnavailable, "connection to PostgreSQL broke"),
        ("55P03", StoreUnavailable, "waited too long"),
        ("22021", InvalidInput, "cannot be stored"),
    ],
)
def test_what_postgres_says_becomes_a_sentence(sqlstate: str, expected: type[ToolcribError], words: str) -> None:
    with pytest.raises(expected, match=words), named_failures():
        raise DBAPIError("SELECT 1", {}, FromPostgres(sqlstate))


def test_a_duplicate_is_a_conflict() -> None:
    with pytest.raises(Conflict, match="exists already"), named_failures():
        raise IntegrityError("INSERT", {}, sqlite3.IntegrityError("UNIQUE"))


def test_a_bug_in_a_statement_stays_a_bug() -> None:
    with pytest.raises(OperationalError), named_failures():
        raise OperationalError("SELEKT", {}, sqlite3.OperationalError("syntax error"))


async def test_parameters_never_reach_a_message(store: Store) -> None:
    with pytest.raises(DBAPIError) as caught:
        await store._database.rows(text("SELECT nothing_here WHERE 1 = :secret").bindparams(secret=424242))

    assert "424242" not in str(caught.value)

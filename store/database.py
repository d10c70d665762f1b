"""One database behind three verbs: `rows` reads, `transaction` writes, `quick` is one statement that may be lost. All
connections of the store are opened here.

SQLite: write-ahead log, one writer at a time inside the process, `BEGIN IMMEDIATE` so that two processes queue instead
of failing. PostgreSQL: reads run without a transaction block, which saves two round trips.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Executable, Row, Table, event, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from domain.circuit import Circuit, Patience
from domain.errors import StoreUnavailable, ToolcribError
from domain.failpoints import failpoint
from store.batches import Batches
from store.failures import named_failures
from store.pulse import Pulse
from store.sqlite_hand import SqliteHand

T = TypeVar("T")
R = TypeVar("R")

CHUNK = 1000
"""Rows or keys per statement: far below SQLite's 32,766 and PostgreSQL's 32,767 parameters."""

_BUSY_TIMEOUT_MS = 5000
_CONNECT_TIMEOUT_S = 5
_COMMAND_TIMEOUT_S = 60
_ABANDONED_MS = 5000
"""After this long without a word inside a transaction, PostgreSQL gives up on a gateway that was paused or cut off:
otherwise it would hold its locks for as long as it stands still, and nobody could take over."""

_PATIENCE = Patience(failures=3, first_s=0.5, last_s=2.0)

_ALIVE_EVERY_S = 1.0
_ALIVE_WITHIN_S = 2.0
_PRAGMAS = (
    f"PRAGMA busy_timeout={_BUSY_TIMEOUT_MS}",
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=NORMAL",
    "PRAGMA foreign_keys=ON",
)


class Database:
    """An engine with its connection pool. Every failure leaves as StoreUnavailable, StorageFull, InvalidInput or
    Conflict.
    """

    def __init__(self, url: URL) -> None:
        self.is_sqlite = url.get_backend_name() == "sqlite"
        self.id = f"{os.getpid()}-{secrets.token_hex(4)}"  # of all that is opened on one database, this one
        self._engine = _sqlite_engine(url) if self.is_sqlite else _postgres_engine(url, self.id)
        if self.is_sqlite:
            self._reader, self._writer = self._engine, self._engine.execution_options(writes=True)
            self._turn: AbstractAsyncContextManager[Any] = asyncio.Lock()
            self._quick: AsyncEngine | None = None
            self._pulse: Pulse | None = None  # a file is slow or fast, and never silent
            self._hand = SqliteHand(url, _PRAGMAS)
        else:
            self._reader = self._engine.execution_options(isolation_level="AUTOCOMMIT")
            self._writer = self._engine.execution_options(origin=self.id)
            self._turn = nullcontext()
            quick = _postgres_engine(url, self.id, pre_ping=False, synchronous_commit="off")
            self._quick = quick.execution_options(isolation_level="AUTOCOMMIT")
            self._pulse = Pulse(_postgres_engine(url, self.id, pooled=False))
        self._running: set[asyncio.Task[Any]] = set()
        # A file is there or not at once; a server that is away lets every request wait until it is known to be.
        self._circuit = Circuit(Patience(failures=sys.maxsize) if self.is_sqlite else _PATIENCE)
        self._batches: list[Batches[Any, Any]] = []

    async def rows(self, query: Executable) -> Sequence[Row[Any]]:
        """Everything a query finds. Outside any transaction: one statement sees one committed state."""

        async def read() -> Sequence[Row[Any]]:
            async with self._reader.connect() as connection:
                return (await connection.execute(query)).all()

        return await self.unbroken(read())

    async def inspect(self, look: Callable[[Connection], T]) -> T:
        """What a synchronous look at the database finds, outside any transaction."""

        async def read() -> T:
            async with self._reader.connect() as connection:
                return await connection.run_sync(look)

        return await self.unbroken(read())

    async def transaction(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """What `work` returns, once its writes are committed; whatever it raises rolls them back."""

        async def write() -> T:
            async with self._turn, self._writer.begin() as connection:
                done = await work(connection)
                failpoint("store.before_commit")
            failpoint("store.committed")
            return done

        return await self.unbroken(write())

    async def quick(self, statement: Executable, values: Mapping[str, Any]) -> int:
        """How many rows one writing statement touched. Neither database waits for the disk: a crash of the machine may
        lose what was written in its last second, but never leave half of it. PostgreSQL is asked in one round trip,
        SQLite in one step of one thread.

        The statement must bear to be sent again: a connection that turns out to be dead is replaced once.
        """

        async def once() -> int:
            if self._quick is None:
                async with self._turn:
                    return await self._hand.execute(statement, values)
            async with self._quick.connect() as connection:
                return (await connection.execute(statement, values)).rowcount

        async def write() -> int:
            try:
                return await once()
            except DBAPIError as error:
                if not error.connection_invalidated:
                    raise
            return await once()

        return await self.unbroken(write())

    async def unbroken(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` to its end even when the caller is cancelled: a connection dropped in mid-sentence is lost to the
        pool, and nobody could say whether its transaction was committed. A server that is silent is not waited for.
        """
        wait_s = self._circuit.admit()
        if wait_s is not None:
            work.close()
            raise StoreUnavailable(
                f"The database does not answer and is left alone for a moment: {self._circuit.last_failure}",
                retry_after_s=wait_s,
            )
        task = asyncio.create_task(self._judged(work))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        if self._pulse is None:
            return await asyncio.shield(task)
        return await self._pulse.answered(task, self._circuit.failed)

    async def _judged(self, work: Coroutine[Any, Any, T]) -> T:
        """What `work` does, under its house names; and whether the database answered."""
        verdict: Callable[[], None] = self._circuit.gave_no_verdict
        try:
            with named_failures():
                done = await work
            verdict = self._circuit.succeeded
        except StoreUnavailable as error:
            verdict = partial(self._circuit.failed, error.message)
            raise
        finally:
            verdict()
        return done

    async def listen(self, channel: str, ready: Callable[[], None], heard: Callable[[str], None]) -> None:
        """PostgreSQL only: call `heard` with what is notified on `channel`, from `ready` on, until the connection
        breaks. Raises StoreUnavailable then; silence is told from a dead connection by asking.
        """
        with named_failures():
            async with self._reader.connect() as connection:
                driver: Any = (await connection.get_raw_connection()).driver_connection
                try:
                    await driver.add_listener(channel, lambda _driver, _pid, _channel, said: heard(said))
                    ready()
                    while True:
                        await asyncio.sleep(_ALIVE_EVERY_S)
                        async with asyncio.timeout(_ALIVE_WITHIN_S):
                            await connection.execute(text("SELECT 1"))
                finally:
                    await connection.invalidate()  # it listens: of no use to anybody else

    async def scrub(self) -> None:
        """Leave no deleted text behind in a SQLite file: rewrite it and empty its log. PostgreSQL vacuums by itself."""
        if self.is_sqlite:
            await self.inspect(lambda connection: connection.exec_driver_sql("VACUUM"))
            await self.inspect(lambda connection: connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)"))

    def batches(
        self, work: Callable[[Sequence[T]], Awaitable[Sequence[R | ToolcribError]]], apart_s: float = 0.0
    ) -> Batches[T, R]:
        """Small pieces of work on this database that many ask for at once, done together (store/batches.py)."""
        made = Batches(work, apart_s=apart_s)
        self._batches.append(made)
        return made

    def insert(self, table: Table) -> Any:
        """An INSERT that knows ON CONFLICT; both dialects spell it alike, SQLAlchemy has two types for it."""
        return sqlite.insert(table) if self.is_sqlite else postgresql.insert(table)

    async def close(self) -> None:
        """Wait for what is under way, then close every connection."""
        await asyncio.gather(*(batches.close() for batches in self._batches))
        await asyncio.gather(*self._running, return_exceptions=True)
        await self._engine.dispose()
        if self._quick is None:
            await self._hand.close()
        else:
            await self._quick.dispose()
        if self._pulse is not None:
            await self._pulse.close()


def _sqlite_engine(url: URL, **pooling: Any) -> AsyncEngine:
    _create_private(Path(str(url.database)))
    engine = create_async_engine(url, hide_parameters=True, **{"pool_size": 4, "max_overflow": 4, **pooling})

    @event.listens_for(engine.sync_engine, "connect")
    def _configure(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # we write BEGIN ourselves; the driver's own comes too late to be IMMEDIATE
        cursor = connection.cursor()
        for pragma in _PRAGMAS:
            cursor.execute(pragma)
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: Connection) -> None:
        if connection.get_execution_options().get("writes"):
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _create_private(path: Path) -> None:
    """Make the file for its owner alone: it holds credentials. SQLite gives its side files the same rights."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        reason = error.strerror or "unknown reason"
        raise StoreUnavailable(f"The database file {path} cannot be opened ({reason}); check its folder.") from error


def _postgres_engine(
    url: URL, name: str, *, pre_ping: bool = True, pooled: bool = True, **settings: str
) -> AsyncEngine:
    settings |= {"application_name": f"toolcrib/{name}", "idle_in_transaction_session_timeout": str(_ABANDONED_MS)}
    pool: dict[str, Any] = (
        {"pool_size": 8, "max_overflow": 8, "pool_timeout": 10} if pooled else {"poolclass": NullPool}
    )
    try:
        return create_async_engine(
            url,
            hide_parameters=True,
            pool_pre_ping=pre_ping,  # a restarted server costs one ping, not one failed request per pooled connection
            connect_args={
                "timeout": _CONNECT_TIMEOUT_S,
                "command_timeout": _COMMAND_TIMEOUT_S,
                "server_settings": settings,
            },
            **pool,
        )
    except ModuleNotFoundError as error:
        raise StoreUnavailable(
            "PostgreSQL needs its driver; install it with `pip install toolcrib[postgres]`."
        ) from error


def chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """The items in runs of at most CHUNK."""
    for start in range(0, len(items), CHUNK):
        yield items[start : start + CHUNK]


def by_tenant(keys: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """The second parts of (tenant, key) pairs by their first, each once and in order."""
    found: dict[str, list[str]] = {}
    for tenant, key in dict.fromkeys(keys):
        found.setdefault(tenant, []).append(key)
    return found

"""10,000 live sessions: bytes at rest, and what an operation on one costs, on SQLite and on PostgreSQL.

    python -m benchmarks.live_sessions [--sessions 10000] [--operations 2000] [--postgres URL]

Three kinds of session take turns: `lru` and `hybrid` after 30 turns of two searches and a call each, and `cache_aware`
just below its high watermark. An operation is a turn begun with five tools found, on a session that this process saw
last (`warm`) or did not (`cold`, which reads it first). The memory's arithmetic and the ledger are in it, the search is
not. How often an operation waits for PostgreSQL is counted in tests/store/test_session_changes.py.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import secrets
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.engine import make_url

from benchmarks.report import Promise, finish, percentiles
from domain.memory import MemoryChange, ToolMemory
from domain.memory_entries import MemoryEntry
from domain.memory_turns import begin_turn, due
from domain.sessions import MemoryMode, Session, SessionLimits, mint_handle
from store.database import Database
from store.sessions import REMEMBERED
from store.store import Store
from store.tables import SESSIONS
from store.url import database_url
from tests.store.databases import run_sql

TENANT, SUBJECT = "default", "benchmark"
KINDS = (MemoryMode.LRU, MemoryMode.HYBRID, MemoryMode.CACHE_AWARE)
_SERVERS = ("filesystem", "github", "calendar", "postgres", "slack", "browser", "finance", "tickets")
_VERBS = ("list", "read", "create", "update", "delete", "search", "export", "summarise")
_THINGS = ("files", "pull_request_comments", "events", "rows_of_a_table", "channel_messages", "open_tickets", "prices")
TOOLS = [f"{server}__{verb}_{thing}" for server in _SERVERS for verb in _VERBS for thing in _THINGS]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sessions", type=int, default=10_000)
    parser.add_argument("--operations", type=int, default=2_000)
    parser.add_argument("--postgres", default="postgresql://postgres@127.0.0.1:5432/postgres")
    asked = parser.parse_args()
    measured = asyncio.run(_measure(asked.sessions, asked.operations, asked.postgres))
    promises = []
    for database, numbers in measured.items():
        promises.append(Promise(f"{database}_bytes_per_session", numbers["bytes_per_session"], 5 * 1024, " B"))
    promises.append(Promise("sqlite_operation_p50", measured["sqlite"]["warm_ms"]["p50"], 1.0, " ms"))
    finish("live_sessions", promises, {"sessions": asked.sessions, "databases": measured})


async def _measure(sessions: int, operations: int, postgres: str) -> dict[str, dict[str, Any]]:
    with tempfile.TemporaryDirectory(prefix="toolcrib-bench-") as folder:
        file = Path(folder) / "toolcrib.db"
        measured = {"sqlite": await _database(f"sqlite:///{file}", sessions, operations)}
    async with _own_database(postgres) as url:
        measured["postgresql"] = await _database(url, sessions, operations)
    for database, numbers in measured.items():
        print(database, numbers)
    return measured


@asynccontextmanager
async def _own_database(server: str) -> AsyncIterator[str]:
    url, name = make_url(server), f"toolcrib_bench_{secrets.token_hex(4)}"
    await run_sql(url, f"CREATE DATABASE {name}")
    try:
        yield url.set(database=name).render_as_string(hide_password=False)
    finally:
        await run_sql(url, f"DROP DATABASE {name} WITH (FORCE)")


async def _database(url: str, sessions: int, operations: int) -> dict[str, Any]:
    store = await Store.open(url)
    empty, _ = await _at_rest(url)
    began = time.perf_counter()
    made = [await _session(store, number) for number in range(sessions)]
    took = time.perf_counter() - began
    size, lengths = await _at_rest(url)
    numbers: dict[str, Any] = {
        "bytes_per_session": round((size - empty) / sessions),
        "memory_bytes": {"mean": round(sum(lengths) / len(lengths)), "max": max(lengths)},
        "creation_ms": round(took * 1e3 / sessions, 3),
    }
    warm = made[-200:]
    await _times(store, warm, len(warm))
    numbers["warm_ms"] = percentiles(await _times(store, warm, operations))
    await store.close()
    store = await Store.open(url)  # a restart: nothing is remembered, everything is there
    cold = made[: min(operations, REMEMBERED)]
    numbers["cold_ms"] = percentiles(await _times(store, cold, len(cold)))
    numbers["live"] = len(await store.sessions.list(TENANT, now=time.time(), limit=2 * sessions))
    await store.close()
    return numbers


async def _session(store: Store, number: int) -> Session:
    now = time.time()
    mode = KINDS[number % len(KINDS)]
    session = Session(TENANT, mint_handle(), SUBJECT, mode, SessionLimits(), now, now + 86_400)
    await store.sessions.create(session, lived(session, number))
    return session


def lived(session: Session, seed: int) -> ToolMemory:
    """The memory of a session that has been used."""
    dice = random.Random(seed)
    memory = ToolMemory(session.limits, session.mode)
    for turn in range(30):
        for search in range(2):
            memory = memory.add(_found(dice, session.created_at + 20 * turn + search)).memory
        memory = memory.used(dice.choice(list(memory.entries)), session.created_at + 20 * turn + 9)
        memory = begin_turn(memory, due(memory)).memory
    return memory


def _found(dice: random.Random, at: float) -> list[MemoryEntry]:
    thing = dice.choice(_THINGS).replace("_", " ")
    reason = f"search: {dice.choice(_VERBS)} the {thing} of project {dice.randrange(999)}"
    return [
        MemoryEntry(name, reason, at, dice.randint(60, 400), at, contract=f"{dice.getrandbits(64):016x}")
        for name in dice.sample(TOOLS, 5)
    ]


async def _times(store: Store, sessions: Sequence[Session], operations: int) -> list[float]:
    """Milliseconds per operation, one after the other."""
    dice = random.Random(2)
    times = []
    for number in range(operations):
        session, found = sessions[number % len(sessions)], _found(dice, time.time())

        def turn(held: ToolMemory, found: Sequence[MemoryEntry] = found) -> MemoryChange:
            begun = begin_turn(held, due(held))
            change = begun.then(begun.memory.add(found))
            followed = held.ledger.followed(tuple(held.entries), tuple(change.memory.entries))
            ledger = followed.asked(sum(entry.tokens for entry in found))
            return replace(change, memory=replace(change.memory, ledger=ledger))

        began = time.perf_counter()
        await store.sessions.update_memory(TENANT, SUBJECT, session.id, turn, time.time())
        times.append((time.perf_counter() - began) * 1e3)
    return times


async def _at_rest(url: str) -> tuple[int, list[int]]:
    """Bytes of the record, nothing of it unused: SQLite's file, PostgreSQL's table with its indexes; and per memory."""
    database = Database(database_url(url))
    try:
        lengths = [length for (length,) in await database.rows(select(func.length(SESSIONS.c.memory)))]
        if database.is_sqlite:
            await database.scrub()
            pages, size = [
                int((await database.rows(text(f"PRAGMA {what}")))[0][0]) for what in ("page_count", "page_size")
            ]
            return pages * size, lengths
        await run_sql(make_url(url), "VACUUM FULL sessions")
        return int((await database.rows(select(func.pg_total_relation_size("sessions"))))[0][0]), lengths
    finally:
        await database.close()


if __name__ == "__main__":
    main()

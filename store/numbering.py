"""Numbers without gaps, given out in commit order.

A plain sequence hands numbers to transactions before they commit, so a reader may see 8 before 7 and skip 7 for ever.
Here the counter's row stays locked from the allocation to the commit: who sees n sees everything below n. Allocate
last, so that the lock is held briefly.
"""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from store.database import Database
from store.tables import COUNTERS


class Numbered(StrEnum):
    """The logs that are numbered; their rows are made by the first migration."""

    CHANGES = "index_changes"
    VERSIONS = "tool_versions"
    EVENTS = "events"
    RUNS = "sync_runs"


async def allocate(connection: AsyncConnection, log: Numbered, count: int) -> range:
    """The next `count` numbers of a log, counted from 1."""
    statement = (
        update(COUNTERS)
        .where(COUNTERS.c.name == log)
        .values(value=COUNTERS.c.value + count)
        .returning(COUNTERS.c.value)
    )
    last = int((await connection.execute(statement)).scalar_one())
    return range(last - count + 1, last + 1)


async def last_number(database: Database, log: Numbered) -> int:
    """The highest number committed; 0 when there is none."""
    (row,) = await database.rows(select(COUNTERS.c.value).where(COUNTERS.c.name == log))
    return int(row.value)

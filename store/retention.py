"""Keeps two logs from growing without end: the history of tools, and the numbered changes that indexes follow."""

from __future__ import annotations

from sqlalchemy import delete, func, select

from store.database import Database
from store.tables import INDEX_CHANGES, TOOL_VERSIONS, TOOLS
from store.versions import APPROVED

ALWAYS_KEPT = 5
"""Versions of each tool, however old."""

MOST_KEPT = 200
"""Versions of each tool, however young: a server that lists another one with every poll must not fill the disk."""


class Retention:
    """Both are safe at any time, beside readers and writers."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def versions(self, older_than: float) -> int:
        """Forget versions from before that time (epoch seconds), and those beyond MOST_KEPT; returns how many. What is
        served keeps the newest record of who approved it: nobody can push it out by listing other versions.
        """
        rank = func.row_number().over(
            partition_by=(TOOL_VERSIONS.c.tenant, TOOL_VERSIONS.c.tool_id), order_by=TOOL_VERSIONS.c.seq.desc()
        )
        ranked = select(TOOL_VERSIONS.c.tenant, TOOL_VERSIONS.c.seq, TOOL_VERSIONS.c.at, rank.label("rank")).subquery()
        served = (
            select(func.max(TOOL_VERSIONS.c.seq))
            .join_from(
                TOOL_VERSIONS,
                TOOLS,
                (TOOLS.c.tenant == TOOL_VERSIONS.c.tenant)
                & (TOOLS.c.tool_id == TOOL_VERSIONS.c.tool_id)
                & (TOOLS.c.contract_hash == TOOL_VERSIONS.c.contract_hash),
            )
            .where(TOOL_VERSIONS.c.decision == APPROVED)
            .group_by(TOOLS.c.tenant, TOOLS.c.tool_id)
        )
        aged = (ranked.c.rank > MOST_KEPT) | ((ranked.c.rank > ALWAYS_KEPT) & (ranked.c.at < older_than))
        gone = delete(TOOL_VERSIONS).where(
            TOOL_VERSIONS.c.seq.in_(select(ranked.c.seq).where(aged)), TOOL_VERSIONS.c.seq.not_in(served)
        )
        return (await self._database.transaction(lambda connection: connection.execute(gone))).rowcount

    async def changes(self) -> int:
        """Forget every change of the log that a later one of the same tool follows; returns how many. An index that
        follows brings a tool to its present state, whatever the log said of it before: it misses nothing.
        """
        newest = select(func.max(INDEX_CHANGES.c.seq)).group_by(INDEX_CHANGES.c.tenant, INDEX_CHANGES.c.tool_id)
        gone = delete(INDEX_CHANGES).where(INDEX_CHANGES.c.seq.not_in(newest))
        return (await self._database.transaction(lambda connection: connection.execute(gone))).rowcount

"""The numbered change log by which every index follows the catalogue."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.catalogue import ChangeKind, IndexChange
from store.batches import Batches
from store.database import Database
from store.leases import Lease, require
from store.notices import Notice, NoticeKind, announce
from store.numbering import Numbered, allocate, last_number
from store.tables import CURSORS, INDEX_CHANGES


async def log_changes(connection: AsyncConnection, tenant: str, changes: Sequence[tuple[ChangeKind, str]]) -> None:
    """Append one row per tool, in the transaction that changes the catalogue. Call it last: it takes the log's lock."""
    await log_changes_of_many(connection, [(tenant, *change) for change in changes])


async def log_changes_of_many(connection: AsyncConnection, changes: Sequence[tuple[str, ChangeKind, str]]) -> None:
    """As `log_changes`, of several tenants: (tenant, kind, tool id)."""
    if not changes:
        return
    numbers = await allocate(connection, Numbered.CHANGES, len(changes))
    rows = [
        {"tenant": tenant, "seq": seq, "tool_id": tool_id, "kind": kind.value}
        for seq, (tenant, kind, tool_id) in zip(numbers, changes, strict=True)
    ]
    await connection.execute(INDEX_CHANGES.insert(), rows)


class ChangeLog:
    """Reads the log, and keeps named cursors for indexes that several gateways share."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._heads: Batches[None, int] = database.batches(self._heads_for)

    async def after(self, seq: int, limit: int) -> list[IndexChange]:
        """The next changes of all tenants behind `seq`, in order. Where numbers are missing, later ones are of the same
        tools (store/retention.py).
        """
        query = select(INDEX_CHANGES).where(INDEX_CHANGES.c.seq > seq).order_by(INDEX_CHANGES.c.seq).limit(limit)
        rows = await self._database.rows(query)
        return [IndexChange(row.seq, row.tenant, row.tool_id, ChangeKind(row.kind)) for row in rows]

    async def repeat(self, keys: Sequence[tuple[str, str]]) -> None:
        """Log tools (tenant, tool id) once more: a shared index may hold them as they were before."""
        by_tenant: dict[str, list[str]] = {}
        for tenant, tool_id in keys:
            by_tenant.setdefault(tenant, []).append(tool_id)

        async def work(connection: AsyncConnection) -> None:
            await announce(connection, Notice(NoticeKind.INDEX))
            for tenant, tool_ids in sorted(by_tenant.items()):
                await log_changes(connection, tenant, [(ChangeKind.UPSERT, tool_id) for tool_id in tool_ids])

        if by_tenant:
            await self._database.transaction(work)

    async def head(self) -> int:
        """The number of the newest change; 0 for an empty log."""
        return await self._heads.do(None)

    async def _heads_for(self, callers: Sequence[None]) -> Sequence[int]:
        return [await last_number(self._database, Numbered.CHANGES)] * len(callers)

    async def cursor(self, name: str) -> int:
        """How far the shared index `name` has followed; 0 when it has not begun."""
        rows = await self._database.rows(select(CURSORS.c.seq).where(CURSORS.c.name == name))
        return int(rows[0].seq) if rows else 0

    async def advance(self, name: str, seq: int, lease: Lease | None = None) -> None:
        """Move a cursor forward; a smaller number changes nothing. An index rebuilt from empty takes a new name.

        With a lease only its holder may: raises LeaseLost.
        """
        insert = self._database.insert(CURSORS).values(name=name, seq=seq)
        upsert = insert.on_conflict_do_update(
            index_elements=[CURSORS.c.name],
            set_={"seq": insert.excluded.seq},
            where=CURSORS.c.seq < insert.excluded.seq,
        )

        async def work(connection: AsyncConnection) -> None:
            await require(connection, lease)
            await connection.execute(upsert)
            if lease is not None:  # others wait for a shared index to follow
                await announce(connection, Notice(NoticeKind.INDEX))

        await self._database.transaction(work)

"""Commits one server's catalogue change: tools, tombstones, history, change log and generation, or nothing."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.catalogue import CatalogueDiff, ChangeKind
from domain.errors import Conflict, ServerNotFound
from domain.failpoints import failpoint
from domain.tools import ToolState
from store.changes import log_changes
from store.database import Database, chunks
from store.held_tools import write_held
from store.leases import Lease, require
from store.notices import Notice, NoticeKind, announce
from store.tables import SERVERS, TOOLS
from store.tool_rows import tool_row
from store.versions import APPROVED, add_versions

_KEY = ("tenant", "tool_id")


class CatalogueWriter:
    """One diff of one server, ready to be written: JSON is encoded before the transaction opens, to keep it short."""

    def __init__(self, database: Database, tenant: str, server: str, diff: CatalogueDiff) -> None:
        self._database = database
        self._diff = diff
        self._tenant = tenant
        self._server = server
        self._removed = diff.removed
        self._added = dict.fromkeys(tool.tool_id for tool in diff.added)
        self._changes = [(ChangeKind.UPSERT, tool_id) for tool_id in (*self._added, *sorted(diff.reindexed))]
        self._changes += [(ChangeKind.DELETE, tool_id) for tool_id in diff.removed]
        self._rows = [tool_row(tool, 0) for tool in (*diff.added, *diff.changed)]

    async def commit(self, expected_generation: int, at: float, lease: Lease | None = None) -> int:
        """Write everything and return the new generation. Raises Conflict when the generation moved meanwhile,
        LeaseLost when another gateway has the lease now.
        """
        generation = expected_generation + 1
        rows = [{**row, "generation": generation} for row in self._rows]

        async def work(connection: AsyncConnection) -> None:
            await require(connection, lease)
            await self._take_generation(connection, expected_generation)
            failpoint("store.generation_taken")
            versions = await self._new_versions(connection, rows)
            await self._write_tools(connection, rows)
            failpoint("store.tools_written")
            await self._bury(connection, generation)
            failpoint("store.tools_buried")
            await write_held(connection, self._tenant, self._server, self._diff.held, self._diff.released)
            await add_versions(connection, versions, APPROVED, self._diff.approved_by, at)
            await announce(connection, Notice(NoticeKind.CATALOGUE, self._tenant, self._server))
            await log_changes(connection, self._tenant, self._changes)
            failpoint("store.changes_logged")

        await self._database.transaction(work)
        return generation

    async def _take_generation(self, connection: AsyncConnection, expected: int) -> None:
        """Compare and set; on PostgreSQL the row stays locked, so that one server has one writer."""
        row = (SERVERS.c.tenant == self._tenant, SERVERS.c.slug == self._server)
        moved = update(SERVERS).where(*row, SERVERS.c.generation == expected).values(generation=expected + 1)
        if (await connection.execute(moved)).rowcount == 1:
            return
        if (await connection.execute(select(SERVERS.c.slug).where(*row))).first() is None:
            raise ServerNotFound(
                f"Server {self._server!r} was removed while its tools were listed; nothing was stored."
            )
        raise Conflict(
            f"The catalogue of server {self._server!r} changed while its tools were listed; list them again."
        )

    async def _new_versions(self, connection: AsyncConnection, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The rows whose contract differs from the stored one; a tool that comes back counts as new."""
        stored: dict[str, str] = {}
        for tool_ids in chunks([row["tool_id"] for row in rows if row["tool_id"] not in self._added]):
            query = select(TOOLS.c.tool_id, TOOLS.c.contract_hash).where(
                TOOLS.c.tenant == self._tenant, TOOLS.c.tool_id.in_(tool_ids)
            )
            stored.update((row.tool_id, row.contract_hash) for row in await connection.execute(query))
        return [row for row in rows if stored.get(row["tool_id"]) != row["contract_hash"]]

    async def _write_tools(self, connection: AsyncConnection, rows: list[dict[str, Any]]) -> None:
        if not rows:
            return
        statement = self._database.insert(TOOLS)
        replaced = {column.name: statement.excluded[column.name] for column in TOOLS.c if column.name not in _KEY}
        await connection.execute(statement.on_conflict_do_update(index_elements=list(_KEY), set_=replaced), rows)

    async def _bury(self, connection: AsyncConnection, generation: int) -> None:
        for tool_ids in chunks(self._removed):
            buried = update(TOOLS).where(
                TOOLS.c.tenant == self._tenant, TOOLS.c.server == self._server, TOOLS.c.tool_id.in_(tool_ids)
            )
            await connection.execute(buried.values(state=ToolState.REMOVED.value, generation=generation))
        for removed, successor in self._diff.renamed.items():
            this = (TOOLS.c.tenant == self._tenant, TOOLS.c.tool_id == removed)
            gone = update(TOOLS).where(*this, TOOLS.c.state == ToolState.REMOVED.value)
            await connection.execute(gone.values(successor=successor))

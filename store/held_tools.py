"""Versions of tools that are kept from being served, and pins. Written with a server's diff, decided upon by people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import ReviewNotFound
from domain.review import HeldChange, HeldKind, HeldStatus, HoldReason
from domain.scan import Danger, ScanWarning
from domain.tools import CatalogueTool, ToolState
from store.database import Database, chunks
from store.json_text import decode, encode
from store.tables import HELD_TOOLS, SERVERS, TOOL_PINS
from store.tool_rows import tool_document, tool_row
from store.versions import HELD, REJECTED, add_versions

_FROM_TOOL = ("tenant", "tool_id", "server", "contract_hash", "semantic_hash", "raw", "indexed")


class HeldToolRepository:
    """What waits, what was rejected, and which tools are pinned to their approved version."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self, tenant: str, server: str | None = None) -> list[HeldChange]:
        """Of a tenant or one of its servers, rejected ones among them, by tool id."""
        query = select(HELD_TOOLS).where(HELD_TOOLS.c.tenant == tenant)
        if server is not None:
            query = query.where(HELD_TOOLS.c.server == server)
        rows = await self._database.rows(query.order_by(HELD_TOOLS.c.server, HELD_TOOLS.c.tool_id))
        return [_held(row) for row in rows]

    async def get(self, tenant: str, review_id: str) -> HeldChange:
        """Raises ReviewNotFound: also for one whose tool its server changed again meanwhile."""
        query = select(HELD_TOOLS).where(HELD_TOOLS.c.tenant == tenant, HELD_TOOLS.c.id == review_id)
        rows = await self._database.rows(query)
        if not rows:
            raise ReviewNotFound
        return _held(rows[0])

    async def ids(self, tenant: str) -> set[str]:
        """Ids of the tools of which another version than the served one is held."""
        rows = await self._database.rows(select(HELD_TOOLS.c.tool_id).where(HELD_TOOLS.c.tenant == tenant))
        return {row.tool_id for row in rows}

    async def waiting(self, tenant: str) -> dict[str, int]:
        """How many changes wait, per server that has any."""
        of_tenant = (HELD_TOOLS.c.tenant == tenant, HELD_TOOLS.c.status == HeldStatus.WAITING.value)
        query = select(HELD_TOOLS.c.server, func.count().label("n")).where(*of_tenant).group_by(HELD_TOOLS.c.server)
        return {row.server: int(row.n) for row in await self._database.rows(query)}

    async def reject(self, tenant: str, review_id: str, by: str, at: float) -> HeldChange:
        """Keep it from being served until its server lists something else. Raises ReviewNotFound."""
        this = (HELD_TOOLS.c.tenant == tenant, HELD_TOOLS.c.id == review_id)
        decided = {"status": HeldStatus.REJECTED.value, "decided_by": by, "decided_at": at}

        async def work(connection: AsyncConnection) -> Row[Any]:
            await connection.execute(update(HELD_TOOLS).where(*this).values(decided))
            row = (await connection.execute(select(HELD_TOOLS).where(*this))).first()
            if row is None:
                raise ReviewNotFound
            version = {**row._asdict(), "generation": await _generation(connection, tenant, row.server)}
            await add_versions(connection, [version], REJECTED, by, at)
            return row

        return _held(await self._database.transaction(work))

    async def pins(self, tenant: str, server: str | None = None) -> set[str]:
        """Ids of the pinned tools."""
        query = select(TOOL_PINS.c.tool_id).where(TOOL_PINS.c.tenant == tenant)
        if server is not None:
            query = query.where(TOOL_PINS.c.server == server)
        return {row.tool_id for row in await self._database.rows(query)}

    async def pin(self, tool: CatalogueTool, by: str, at: float) -> None:
        """Keep a tool at the version that is served. Pinning it twice is pinning it once."""
        row = {"tenant": tool.tenant, "tool_id": tool.tool_id, "server": tool.server, "pinned_by": by, "at": at}
        pin = self._database.insert(TOOL_PINS).values(row).on_conflict_do_nothing()
        await self._database.transaction(lambda connection: connection.execute(pin))

    async def unpin(self, tenant: str, tool_id: str) -> None:
        """Let it follow its server again, from the next sync on. One that is not pinned is no error."""
        this = delete(TOOL_PINS).where(TOOL_PINS.c.tenant == tenant, TOOL_PINS.c.tool_id == tool_id)
        await self._database.transaction(lambda connection: connection.execute(this))


async def write_held(
    connection: AsyncConnection, tenant: str, slug: str, held: Sequence[HeldChange], released: Sequence[str]
) -> None:
    """Within the transaction of a diff of server `slug`. A version seen for the first time goes into the
    history as well: one that its server takes back again leaves a trace.
    """
    if not held and not released:
        return
    of_server = (HELD_TOOLS.c.tenant == tenant, HELD_TOOLS.c.server == slug)
    for tool_ids in chunks([*released, *(change.tool.tool_id for change in held)]):
        await connection.execute(delete(HELD_TOOLS).where(*of_server, HELD_TOOLS.c.tool_id.in_(tool_ids)))
    if held:
        rows = [_row(change) for change in held]
        await connection.execute(insert(HELD_TOOLS), rows)
        generation = await _generation(connection, tenant, slug)
        seen = [{**row, "generation": generation} for row in rows]
        await add_versions(connection, seen, HELD, None, held[0].seen_at)
    count = select(func.count()).select_from(HELD_TOOLS).where(*of_server).scalar_subquery()
    this = update(SERVERS).where(SERVERS.c.tenant == tenant, SERVERS.c.slug == slug)
    await connection.execute(this.values(held=count))


async def _generation(connection: AsyncConnection, tenant: str, slug: str) -> int:
    query = select(SERVERS.c.generation).where(SERVERS.c.tenant == tenant, SERVERS.c.slug == slug)
    return int((await connection.execute(query)).scalar_one())


def _row(change: HeldChange) -> dict[str, Any]:
    tool = tool_row(change.tool, 0)
    return {
        **{name: tool[name] for name in _FROM_TOOL},
        "id": change.id,
        "kind": change.kind.value,
        "reason": change.reason.value,
        "warnings": encode([[warning.danger.value, warning.where, warning.what] for warning in change.warnings]),
        "renamed_from": change.renamed_from,
        "seen_at": change.seen_at,
        "status": change.status.value,
        "decided_by": change.decided_by,
        "decided_at": change.decided_at,
    }


def _held(row: Row[Any]) -> HeldChange:
    return HeldChange(
        tool=CatalogueTool(row.tenant, row.tool_id, tool_document(row), ToolState.ACTIVE, 0),
        kind=HeldKind(row.kind),
        reason=HoldReason(row.reason),
        seen_at=row.seen_at,
        warnings=tuple(ScanWarning(Danger(danger), where, what) for danger, where, what in decode(row.warnings)),
        renamed_from=row.renamed_from,
        status=HeldStatus(row.status),
        decided_by=row.decided_by,
        decided_at=row.decided_at,
    )

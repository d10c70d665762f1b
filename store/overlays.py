"""Overlays of tools: what operators renamed or described anew. One row per tool that has any."""

from __future__ import annotations

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.catalogue import ChangeKind
from domain.errors import Conflict, NameTaken, ToolNotFound
from domain.failpoints import failpoint
from domain.overlays import Overlay
from domain.tools import ToolState
from store.changes import log_changes
from store.database import Database
from store.notices import Notice, NoticeKind, announce
from store.tables import TOOL_OVERLAYS, TOOLS


class OverlayRepository:
    """Writes overlays; they are read with the tools they lie on (store/catalogue.py)."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, tenant: str, tool_id: str, overlay: Overlay) -> None:
        """Lay `overlay` over a tool in place of the one it had, and tell the indexes. An empty one takes it away.

        Raises ToolNotFound, and NameTaken when another tool of the tenant, removed or not, has the alias.
        """
        key = {"tenant": tenant, "tool_id": tool_id}

        async def work(connection: AsyncConnection) -> None:
            tool = select(TOOLS.c.state, TOOLS.c.server).where(TOOLS.c.tenant == tenant, TOOLS.c.tool_id == tool_id)
            found = (await connection.execute(tool)).one_or_none()
            if found is None:
                raise ToolNotFound(
                    f"No tool {tool_id!r} is in the catalogue; `toolcrib search` finds the ones that are."
                )
            if overlay.is_empty:
                table = TOOL_OVERLAYS.c
                await connection.execute(delete(TOOL_OVERLAYS).where(table.tenant == tenant, table.tool_id == tool_id))
            else:
                values = {"alias": overlay.alias, "override": overlay.description}
                upsert = self._database.insert(TOOL_OVERLAYS).values(**key, **values)
                await connection.execute(
                    upsert.on_conflict_do_update(index_elements=["tenant", "tool_id"], set_=values)
                )
            failpoint("store.overlay_written")
            await announce(connection, Notice(NoticeKind.CATALOGUE, tenant, found.server))
            if found.state == ToolState.ACTIVE:
                await log_changes(connection, tenant, [(ChangeKind.UPSERT, tool_id)])

        try:
            await self._database.transaction(work)
        except Conflict as error:
            raise NameTaken(
                f"Another tool is called {overlay.alias!r} already; choose another alias, or reset that tool first."
            ) from error

"""The catalogue: every tool of every server, with tombstones, history and the outbox of the indexes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Select, func, select

from domain.catalogue import CatalogueDiff
from domain.lookalikes import skeleton
from domain.tools import CatalogueTool, ToolState
from store.catalogue_writer import CatalogueWriter
from store.database import Database, chunks
from store.json_text import decode
from store.leases import Lease
from store.tables import TOOL_OVERLAYS, TOOLS
from store.tool_rows import (
    ActiveKey,
    IndexableTool,
    ToolCounts,
    catalogue_tool,
    indexable_tool,
    select_indexable,
    select_tools,
)


class CatalogueRepository:
    """Reads tools, and applies one server's changes atomically: readers see its old list or its new one."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def known(self, tenant: str, server: str) -> list[CatalogueTool]:
        """Everything this server ever offered, tombstones included, by tool id: one side of a diff."""
        query = select_tools().where(TOOLS.c.tenant == tenant, TOOLS.c.server == server).order_by(TOOLS.c.tool_id)
        return await self._tools(query)

    async def apply(
        self,
        tenant: str,
        server: str,
        diff: CatalogueDiff,
        *,
        expected_generation: int,
        at: float,
        lease: Lease | None = None,
    ) -> int:
        """Commit a diff in one transaction and return the server's new generation. An empty diff writes nothing.

        Raises Conflict when the generation moved since the diff was made, ServerNotFound when the server is gone,
        LeaseLost when another gateway has the lease now.
        """
        if diff.is_empty:
            return expected_generation
        return await CatalogueWriter(self._database, tenant, server, diff).commit(expected_generation, at, lease)

    async def get(self, tenant: str, tool_ids: Iterable[str]) -> dict[str, CatalogueTool]:
        """The known ones among `tool_ids`, tombstones included."""
        found: dict[str, CatalogueTool] = {}
        for chunk in chunks(list(dict.fromkeys(tool_ids))):
            query = select_tools().where(TOOLS.c.tenant == tenant, TOOLS.c.tool_id.in_(chunk))
            found.update((tool.tool_id, tool) for tool in await self._tools(query))
        return found

    async def by_alias(self, tenant: str, aliases: Iterable[str]) -> dict[str, CatalogueTool]:
        """The tools that operators gave one of `aliases`, by alias, tombstones included."""
        found: dict[str, CatalogueTool] = {}
        for chunk in chunks(list(dict.fromkeys(aliases))):
            query = select_tools().where(TOOLS.c.tenant == tenant, TOOL_OVERLAYS.c.alias.in_(chunk))
            found.update((str(tool.overlay.alias), tool) for tool in await self._tools(query))
        return found

    async def lookalikes(self, tenant: str, server: str, names: Iterable[str]) -> dict[str, list[str]]:
        """Per name of `names`: the different names of other servers' active tools that it can be taken for."""
        by_skeleton: dict[str, set[str]] = {}
        shapes = {name: skeleton(name) for name in names}
        for chunk in chunks(list(dict.fromkeys(shapes.values()))):
            query = select(TOOLS.c.skeleton, TOOLS.c.raw).where(
                TOOLS.c.tenant == tenant,
                TOOLS.c.skeleton.in_(chunk),
                TOOLS.c.server != server,
                TOOLS.c.state == ToolState.ACTIVE.value,
            )
            for row in await self._database.rows(query):
                by_skeleton.setdefault(row.skeleton, set()).add(decode(row.raw)["name"])
        found = {name: sorted(by_skeleton.get(shape, set()) - {name}) for name, shape in shapes.items()}
        return {name: twins for name, twins in found.items() if twins}

    async def page(
        self,
        tenant: str,
        *,
        server: str | None = None,
        state: ToolState | None = None,
        after: str = "",
        limit: int = 100,
    ) -> list[CatalogueTool]:
        """Up to `limit` tools by tool id, behind the id `after`."""
        query = select_tools().where(TOOLS.c.tenant == tenant, TOOLS.c.tool_id > after)
        if server is not None:
            query = query.where(TOOLS.c.server == server)
        if state is not None:
            query = query.where(TOOLS.c.state == state.value)
        return await self._tools(query.order_by(TOOLS.c.tool_id).limit(limit))

    async def counts(self, tenant: str) -> dict[str, ToolCounts]:
        """Tools per server and state; servers that never offered one are absent."""
        query = (
            select(TOOLS.c.server, TOOLS.c.state, func.count().label("n"))
            .where(TOOLS.c.tenant == tenant)
            .group_by(TOOLS.c.server, TOOLS.c.state)
        )
        rows = await self._database.rows(query)
        numbers = {(row.server, ToolState(row.state)): int(row.n) for row in rows}
        return {
            server: ToolCounts(
                active=numbers.get((server, ToolState.ACTIVE), 0), removed=numbers.get((server, ToolState.REMOVED), 0)
            )
            for server in sorted({server for server, _ in numbers})
        }

    async def definition_chars(self, tenant: str) -> int:
        """Characters of the JSON of every active tool, as it is stored."""
        query = select(func.coalesce(func.sum(func.length(TOOLS.c.raw)), 0)).where(
            TOOLS.c.tenant == tenant, TOOLS.c.state == ToolState.ACTIVE.value
        )
        return int((await self._database.rows(query))[0][0])

    async def active_keys(self) -> list[ActiveKey]:
        """Every active tool of every tenant with the hash of its indexed text: that of the tool as it is served."""
        query = select(TOOLS.c.tenant, TOOLS.c.tool_id, TOOLS.c.semantic_hash).where(
            TOOLS.c.state == ToolState.ACTIVE.value
        )
        rows = await self._database.rows(query)
        laid = select_indexable().where(TOOLS.c.state == ToolState.ACTIVE.value, TOOL_OVERLAYS.c.tool_id.is_not(None))
        served = {
            (tool.tenant, tool.tool_id): tool.semantic_hash
            for tool in map(indexable_tool, await self._database.rows(laid))
        }
        return [
            ActiveKey(row.tenant, row.tool_id, served.get((row.tenant, row.tool_id), row.semantic_hash)) for row in rows
        ]

    async def active_ids(self, tenant: str, server: str) -> list[str]:
        """The active tools of one server."""
        query = select(TOOLS.c.tool_id).where(
            TOOLS.c.tenant == tenant, TOOLS.c.server == server, TOOLS.c.state == ToolState.ACTIVE.value
        )
        return [row.tool_id for row in await self._database.rows(query)]

    async def documents(self, keys: Iterable[tuple[str, str]]) -> list[IndexableTool]:
        """What an index needs of the tools (tenant, tool_id); those that are not active now are left out."""
        by_tenant: dict[str, list[str]] = {}
        for tenant, tool_id in dict.fromkeys(keys):
            by_tenant.setdefault(tenant, []).append(tool_id)
        found: list[IndexableTool] = []
        for tenant, tool_ids in by_tenant.items():
            of_tenant = (TOOLS.c.tenant == tenant, TOOLS.c.state == ToolState.ACTIVE.value)
            for chunk in chunks(tool_ids):
                query = select_indexable().where(*of_tenant, TOOLS.c.tool_id.in_(chunk))
                found.extend(indexable_tool(row) for row in await self._database.rows(query))
        return found

    async def _tools(self, query: Select[Any]) -> list[CatalogueTool]:
        return [catalogue_tool(row) for row in await self._database.rows(query)]

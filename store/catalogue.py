"""The catalogue: every tool of every server, with tombstones, history and the outbox of the indexes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Select, func, select

from domain.catalogue import CatalogueDiff
from domain.errors import Conflict, InvalidInput, ToolcribError
from domain.lookalikes import skeleton
from domain.tools import CatalogueTool, ToolState
from store.batches import Batches
from store.catalogue_writer import CatalogueWriter, Commit
from store.database import Database, by_tenant, chunks
from store.json_text import decode
from store.leases import Lease, LeaseLost
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

GATHERED_S = 0.05
"""While syncs keep coming, what they read and commit is done so far apart: one alone is done at once."""


class CatalogueRepository:
    """Reads tools, and applies one server's changes atomically: readers see its old list or its new one."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._knowns: Batches[tuple[str, str], list[CatalogueTool]] = database.batches(self._known_many, GATHERED_S)
        self._applies: Batches[Commit, int] = database.batches(self._apply_many, GATHERED_S)
        self._lookalikes: Batches[tuple[str, str, tuple[str, ...]], dict[str, list[str]]] = database.batches(
            self._lookalikes_of_many, GATHERED_S
        )

    async def known(self, tenant: str, server: str) -> list[CatalogueTool]:
        """Everything this server ever offered, tombstones included, by tool id: one side of a diff."""
        return await self._knowns.do((tenant, server))

    async def _known_many(self, servers: Sequence[tuple[str, str]]) -> Sequence[list[CatalogueTool]]:
        found: dict[tuple[str, str], list[CatalogueTool]] = {key: [] for key in servers}
        for tenant, slugs in by_tenant(servers).items():
            for chunk in chunks(slugs):
                query = select_tools().where(TOOLS.c.tenant == tenant, TOOLS.c.server.in_(chunk))
                for tool in await self._tools(query.order_by(TOOLS.c.tool_id)):
                    found[tenant, tool.server].append(tool)
        return [found[key] for key in servers]

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
        """Commit a diff and return the server's new generation. An empty diff writes nothing. Diffs of several servers
        that come at about the same time share a transaction; the outcome of one is no other's.

        Raises Conflict when the generation moved since the diff was made, ServerNotFound when the server is gone,
        LeaseLost when another gateway has the lease now.
        """
        if diff.is_empty:
            return expected_generation
        return await self._applies.do(Commit(tenant, server, diff, expected_generation, at, lease))

    async def _apply_many(self, commits: Sequence[Commit]) -> Sequence[int | ToolcribError]:
        """In one transaction; where that as a whole is refused for what one of them brings, one by one."""
        try:
            return await CatalogueWriter(self._database, commits).commit()
        except (Conflict, InvalidInput) as refused:
            if len(commits) == 1 or isinstance(refused, LeaseLost):
                raise
        return [await self._apply_alone(commit) for commit in commits]

    async def _apply_alone(self, commit: Commit) -> int | ToolcribError:
        try:
            [outcome] = await CatalogueWriter(self._database, [commit]).commit()
        except ToolcribError as refused:
            return refused
        return outcome

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
        asked = tuple(names)
        return await self._lookalikes.do((tenant, server, asked)) if asked else {}

    async def _lookalikes_of_many(
        self, asked: Sequence[tuple[str, str, tuple[str, ...]]]
    ) -> Sequence[dict[str, list[str]]]:
        shapes = {name: skeleton(name) for _, _, names in asked for name in names}
        known: dict[tuple[str, str], set[tuple[str, str]]] = {}  # (tenant, skeleton) -> (server, name)
        keys = [(tenant, shapes[name]) for tenant, _, names in asked for name in names]
        for tenant, wanted in by_tenant(keys).items():
            for chunk in chunks(wanted):
                active = (TOOLS.c.tenant == tenant, TOOLS.c.state == ToolState.ACTIVE.value)
                query = select(TOOLS.c.skeleton, TOOLS.c.server, TOOLS.c.raw).where(
                    *active, TOOLS.c.skeleton.in_(chunk)
                )
                for row in await self._database.rows(query):
                    known.setdefault((tenant, row.skeleton), set()).add((row.server, decode(row.raw)["name"]))
        return [
            {
                name: twins
                for name in names
                if (twins := _others(known.get((tenant, shapes[name]), set()), server, name))
            }
            for tenant, server, names in asked
        ]

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
        found: list[IndexableTool] = []
        for tenant, tool_ids in by_tenant(keys).items():
            of_tenant = (TOOLS.c.tenant == tenant, TOOLS.c.state == ToolState.ACTIVE.value)
            for chunk in chunks(tool_ids):
                query = select_indexable().where(*of_tenant, TOOLS.c.tool_id.in_(chunk))
                found.extend(indexable_tool(row) for row in await self._database.rows(query))
        return found

    async def _tools(self, query: Select[Any]) -> list[CatalogueTool]:
        return [catalogue_tool(row) for row in await self._database.rows(query)]


def _others(known: Iterable[tuple[str, str]], server: str, name: str) -> list[str]:
    return sorted({other for owner, other in known if owner != server} - {name})

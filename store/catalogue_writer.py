"""Commits catalogue changes of servers: tools, tombstones, history, change log and generation, or nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.catalogue import CatalogueDiff, ChangeKind
from domain.errors import Conflict, ServerNotFound, ToolcribError
from domain.failpoints import failpoint
from domain.tools import ToolState
from store.changes import log_changes_of_many
from store.database import Database, by_tenant, chunks
from store.held_tools import write_held
from store.leases import Lease, require
from store.notices import Notice, NoticeKind, announce
from store.tables import SERVERS, TOOLS
from store.tool_rows import tool_row
from store.versions import APPROVED, add_decided

_KEY = ("tenant", "tool_id")


@dataclass(frozen=True, slots=True)
class Commit:
    """One diff of one server, made when the server's generation was `expected_generation`. `at`: epoch seconds."""

    tenant: str
    server: str
    diff: CatalogueDiff
    expected_generation: int
    at: float
    lease: Lease | None = None

    @property
    def key(self) -> tuple[str, str]:
        return self.tenant, self.server

    @property
    def generation(self) -> int:
        return self.expected_generation + 1

    def rows(self) -> list[dict[str, Any]]:
        return [tool_row(tool, self.generation) for tool in (*self.diff.added, *self.diff.changed)]

    def changes(self) -> Iterator[tuple[str, ChangeKind, str]]:
        """What the indexes have to do: added and reindexed tools, then removed ones."""
        upserts = dict.fromkeys(tool.tool_id for tool in self.diff.added)
        for tool_id in (*upserts, *sorted(self.diff.reindexed)):
            yield self.tenant, ChangeKind.UPSERT, tool_id
        for tool_id in self.diff.removed:
            yield self.tenant, ChangeKind.DELETE, tool_id


class CatalogueWriter:
    """Diffs, ready to be written together: JSON is encoded before the transaction opens, to keep it short."""

    def __init__(self, database: Database, commits: Sequence[Commit]) -> None:
        self._database = database
        self._commits = commits
        self._rows = {number: commit.rows() for number, commit in enumerate(commits)}

    async def commit(self) -> list[int | ToolcribError]:
        """Write everything in one transaction. Per diff the new generation; Conflict where it moved meanwhile,
        ServerNotFound where the server is gone: of these nothing is written.

        Raises LeaseLost when another gateway has the lease now.
        """

        async def work(connection: AsyncConnection) -> list[int | ToolcribError]:
            for lease in dict.fromkeys(commit.lease for commit in self._commits):
                await require(connection, lease)
            outcomes = await self._take_generations(connection)
            failpoint("store.generation_taken")
            taken = [number for number, outcome in enumerate(outcomes) if isinstance(outcome, int)]
            versions = await self._new_versions(connection, taken)
            await self._write_tools(connection, [row for number in taken for row in self._rows[number]])
            failpoint("store.tools_written")
            commits = [self._commits[number] for number in taken]
            await self._bury(connection, commits)
            failpoint("store.tools_buried")
            for one in commits:
                await write_held(connection, one.tenant, one.server, one.diff.held, one.diff.released)
            await add_decided(connection, versions)
            for one in commits:
                await announce(connection, Notice(NoticeKind.CATALOGUE, one.tenant, one.server))
            await log_changes_of_many(connection, [change for one in commits for change in one.changes()])
            failpoint("store.changes_logged")
            return outcomes

        return await self._database.transaction(work)

    async def _take_generations(self, connection: AsyncConnection) -> list[int | ToolcribError]:
        """Compare and set; on PostgreSQL the rows stay locked, so that one server has one writer. Of two diffs of one
        server the first is taken.
        """
        first = {commit.key: commit for commit in reversed(self._commits)}
        expected = [(*key, commit.expected_generation) for key, commit in first.items()]
        row = tuple_(SERVERS.c.tenant, SERVERS.c.slug, SERVERS.c.generation)
        moved = update(SERVERS).where(row.in_(expected)).values(generation=SERVERS.c.generation + 1)
        found = await connection.execute(moved.returning(SERVERS.c.tenant, SERVERS.c.slug))
        taken = {(one.tenant, one.slug) for one in found}
        there = await self._there(connection, [key for key in first if key not in taken])
        return [
            commit.generation
            if commit.key in taken and first[commit.key] is commit
            else _refused(commit.server, there=commit.key in taken | there)
            for commit in self._commits
        ]

    async def _there(self, connection: AsyncConnection, keys: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
        if not keys:
            return set()
        query = select(SERVERS.c.tenant, SERVERS.c.slug).where(tuple_(SERVERS.c.tenant, SERVERS.c.slug).in_(keys))
        return {(one.tenant, one.slug) for one in await connection.execute(query)}

    async def _new_versions(self, connection: AsyncConnection, taken: Sequence[int]) -> list[dict[str, Any]]:
        """The rows whose contract differs from the stored one; a tool that comes back counts as new."""
        changed = [(tool.tenant, tool.tool_id) for number in taken for tool in self._commits[number].diff.changed]
        stored: dict[tuple[str, str], str] = {}
        for tenant, tool_ids in by_tenant(changed).items():
            for chunk in chunks(tool_ids):
                query = select(TOOLS.c.tool_id, TOOLS.c.contract_hash)
                query = query.where(TOOLS.c.tenant == tenant, TOOLS.c.tool_id.in_(chunk))
                stored |= {(tenant, row.tool_id): row.contract_hash for row in await connection.execute(query)}
        return [
            {**row, "decision": APPROVED, "decided_by": commit.diff.approved_by, "at": commit.at}
            for number in taken
            for commit in (self._commits[number],)
            for row in self._rows[number]
            if stored.get((row["tenant"], row["tool_id"])) != row["contract_hash"]
        ]

    async def _write_tools(self, connection: AsyncConnection, rows: list[dict[str, Any]]) -> None:
        if not rows:
            return
        statement = self._database.insert(TOOLS)
        replaced = {column.name: statement.excluded[column.name] for column in TOOLS.c if column.name not in _KEY}
        await connection.execute(statement.on_conflict_do_update(index_elements=list(_KEY), set_=replaced), rows)

    async def _bury(self, connection: AsyncConnection, commits: Sequence[Commit]) -> None:
        this = update(TOOLS).where(TOOLS.c.tenant == bindparam("of_tenant"), TOOLS.c.tool_id == bindparam("of_tool"))
        buried = [
            {"of_tenant": one.tenant, "of_tool": tool_id, "by_generation": one.generation}
            for one in commits
            for tool_id in one.diff.removed
        ]
        if buried:
            gone = this.values(state=ToolState.REMOVED.value, generation=bindparam("by_generation"))
            await connection.execute(gone, buried)
        renamed = [
            {"of_tenant": one.tenant, "of_tool": removed, "by_successor": successor}
            for one in commits
            for removed, successor in one.diff.renamed.items()
        ]
        if renamed:
            this = this.where(TOOLS.c.state == ToolState.REMOVED.value)
            await connection.execute(this.values(successor=bindparam("by_successor")), renamed)


def _refused(server: str, *, there: bool) -> ToolcribError:
    if not there:
        return ServerNotFound(f"Server {server!r} was removed while its tools were listed; nothing was stored.")
    return Conflict(f"The catalogue of server {server!r} changed while its tools were listed; list them again.")

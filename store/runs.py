"""History of syncs: the newest runs of each server, and always its last success."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

from sqlalchemy import Row, delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.catalogue import SyncRun
from domain.failpoints import failpoint
from store.batches import Batches
from store.database import Database, by_tenant, chunks
from store.json_text import decode, encode
from store.leases import Lease, require
from store.numbering import Numbered, allocate
from store.tables import SYNC_RUNS

KEPT_RUNS = 100
"""Per server: eight hours of polling every five minutes. Older runs go, or polling would fill the disk."""

SLACK = 20
"""So many more may be there until they are pruned: a poll of thousands of servers need not look at each of them."""

GATHERED_S = 0.05
"""While runs keep ending, they are written so far apart: a poll of thousands of servers takes a few transactions."""

_COUNTS = ("added", "changed", "removed", "unchanged", "skipped", "embedded")
_DETAILS = ("held", "list_s", "store_s", "index_s")  # in a column of their own: earlier versions refuse other counts


class SyncRunRepository:
    """Adds runs and reads them back, the newest first."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._adds: Batches[tuple[SyncRun, Lease | None], None] = database.batches(self._add_many, GATHERED_S)
        self._since_look: dict[tuple[str, str], int] = {}  # runs added since it was looked how many there are

    async def add(self, run: SyncRun, lease: Lease | None = None) -> None:
        """Record a run, and now and then forget those of the same server beyond KEPT_RUNS except its last success.

        Raises LeaseLost when another gateway has the lease now.
        """
        await self._adds.do((run, lease))

    async def _add_many(self, ended: Sequence[tuple[SyncRun, Lease | None]]) -> Sequence[None]:
        for lease, of_lease in groupby(ended, key=itemgetter(1)):
            await self._add_under([run for run, _ in of_lease], lease)
        return [None] * len(ended)

    async def _add_under(self, runs: Sequence[SyncRun], lease: Lease | None) -> None:

        async def work(connection: AsyncConnection) -> None:
            await require(connection, lease)
            numbers = await allocate(connection, Numbered.RUNS, len(runs))
            rows = [{**_row(run), "seq": seq} for seq, run in zip(numbers, runs, strict=True)]
            await connection.execute(insert(SYNC_RUNS), rows)
            failpoint("store.run_written")
            for tenant, server in await self._crowded(connection, to_look_at):
                await self._prune(connection, tenant, server)

        to_look_at = self._to_look_at(runs)
        await self._database.transaction(work)

    def _to_look_at(self, runs: Sequence[SyncRun]) -> Sequence[tuple[str, str]]:
        """Servers that may have more runs than are kept: those of the first run here, then after each SLACK more."""
        found: dict[tuple[str, str], None] = {}
        for run in runs:
            key = run.tenant, run.server
            self._since_look[key] = self._since_look.get(key, SLACK - 1) + 1
            if self._since_look[key] >= SLACK:
                self._since_look[key] = 0
                found[key] = None
        return [*found]

    async def list(self, tenant: str, *, server: str | None = None, limit: int = 100) -> list[SyncRun]:
        """The newest runs of a tenant, or of one server."""
        query = select(SYNC_RUNS).where(SYNC_RUNS.c.tenant == tenant)
        if server is not None:
            query = query.where(SYNC_RUNS.c.server == server)
        rows = await self._database.rows(query.order_by(SYNC_RUNS.c.seq.desc()).limit(limit))
        return [_run(row) for row in rows]

    async def last_success(self, tenant: str) -> dict[str, float]:
        """Per server, when its tools were last seen to be what the catalogue says (epoch seconds)."""
        query = (
            select(SYNC_RUNS.c.server, func.max(SYNC_RUNS.c.finished_at).label("at"))
            .where(SYNC_RUNS.c.tenant == tenant, SYNC_RUNS.c.succeeded)
            .group_by(SYNC_RUNS.c.server)
        )
        return {row.server: row.at for row in await self._database.rows(query)}

    async def _crowded(self, connection: AsyncConnection, keys: Sequence[tuple[str, str]]) -> Sequence[tuple[str, str]]:
        """Of these servers, those with more runs than are kept."""
        found: builtins.list[tuple[str, str]] = []
        for tenant, servers in by_tenant(keys).items():
            for chunk in chunks(servers):
                of_these = (SYNC_RUNS.c.tenant == tenant, SYNC_RUNS.c.server.in_(chunk))
                crowded = select(SYNC_RUNS.c.server).where(*of_these).group_by(SYNC_RUNS.c.server)
                crowded = crowded.having(func.count() > KEPT_RUNS)
                found += [(tenant, server) for server in (await connection.execute(crowded)).scalars()]
        return found

    async def _prune(self, connection: AsyncConnection, tenant: str, server: str) -> None:
        of_server = (SYNC_RUNS.c.tenant == tenant, SYNC_RUNS.c.server == server)
        newest = select(SYNC_RUNS.c.seq).where(*of_server).order_by(SYNC_RUNS.c.seq.desc())
        oldest_kept = newest.offset(KEPT_RUNS - 1).limit(1).scalar_subquery()
        last_success = newest.where(SYNC_RUNS.c.succeeded).limit(1).scalar_subquery()
        stale = (SYNC_RUNS.c.seq < oldest_kept, SYNC_RUNS.c.seq != func.coalesce(last_success, 0))
        await connection.execute(delete(SYNC_RUNS).where(*of_server, *stale))


def _row(run: SyncRun) -> dict[str, Any]:
    return {
        "tenant": run.tenant,
        "server": run.server,
        "trigger": run.trigger,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "generation": run.generation,
        "succeeded": run.error is None,
        "counts": encode({name: getattr(run, name) for name in _COUNTS}),
        "error": None if run.error is None else encode(run.error),
        "warnings": encode(list(run.warnings)),
        "details": encode({name: getattr(run, name) for name in _DETAILS}),
    }


def _run(row: Row[Any]) -> SyncRun:
    return SyncRun(
        tenant=row.tenant,
        server=row.server,
        trigger=row.trigger,
        started_at=row.started_at,
        finished_at=row.finished_at,
        generation=row.generation,
        **decode(row.counts),
        **(decode(row.details) if row.details else {}),
        error=None if row.error is None else decode(row.error),
        warnings=tuple(decode(row.warnings)),
    )

"""Other ways to reach a registered server, kept from being used until somebody approves them. One per server."""

from __future__ import annotations

from sqlalchemy import delete, select

from domain.review import HeldLaunch
from store.database import Database
from store.launches import launch_columns, launch_of
from store.sealing import Sealer
from store.tables import HELD_LAUNCHES

PURPOSE = "held launch"
"""What these sealed values are for, as the sealer's context says it."""


class HeldLaunchRepository:
    """The newest proposal of each server; one that comes later takes its place."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    async def put(self, held: HeldLaunch) -> None:
        """Raises SecretsUnavailable."""
        values = {
            **launch_columns(held.launch, self._sealer, PURPOSE, held.tenant, held.server),
            "seen_at": held.seen_at,
            "proposed_by": held.proposed_by,
        }
        row = {"tenant": held.tenant, "server": held.server, **values}
        upsert = self._database.insert(HELD_LAUNCHES).values(row)
        upsert = upsert.on_conflict_do_update(index_elements=["tenant", "server"], set_=values)
        await self._database.transaction(lambda connection: connection.execute(upsert))

    async def list(self, tenant: str, server: str | None = None) -> list[HeldLaunch]:
        """By server. Raises SecretsUnavailable."""
        query = select(HELD_LAUNCHES).where(HELD_LAUNCHES.c.tenant == tenant).order_by(HELD_LAUNCHES.c.server)
        if server is not None:
            query = query.where(HELD_LAUNCHES.c.server == server)
        found = []
        for row in await self._database.rows(query):
            hidden = {} if row.sealed is None else self._sealer.open(row.sealed, PURPOSE, row.tenant, row.server)
            found.append(HeldLaunch(row.tenant, row.server, launch_of(row, hidden), row.seen_at, row.proposed_by))
        return found

    async def servers(self, tenant: str) -> set[str]:
        """Those that have one."""
        rows = await self._database.rows(select(HELD_LAUNCHES.c.server).where(HELD_LAUNCHES.c.tenant == tenant))
        return {row.server for row in rows}

    async def drop(self, tenant: str, server: str, seen_at: float | None = None) -> None:
        """Forget it; with `seen_at` only the one of that time. None there is no error."""
        this = delete(HELD_LAUNCHES).where(HELD_LAUNCHES.c.tenant == tenant, HELD_LAUNCHES.c.server == server)
        if seen_at is not None:
            this = this.where(HELD_LAUNCHES.c.seen_at == seen_at)
        await self._database.transaction(lambda connection: connection.execute(this))

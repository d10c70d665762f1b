"""Leases: which of several gateways does what only one may do, for how long, and under which fencing token.

A holder can be paused for longer than its lease and wake up in the belief that it still holds it. So the lease alone
protects nothing: what must not be written twice is written in a transaction that begins with `require`, which refuses
every token but the newest (Kleppmann 2016, "How to do distributed locking": fencing tokens). Expiry is by the
database's clock, so that no two clocks are compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, literal_column, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import Conflict
from store.database import Database
from store.notices import Notice, NoticeKind, announce
from store.tables import LEASES

_NOBODY = ""


class LeaseLost(Conflict):
    """Another gateway has taken this work over; nothing was written. It goes on with it."""

    code = "lease_lost"


@dataclass(frozen=True, slots=True)
class Lease:
    """Held until it expires or is released. `token` is greater than that of every holder before."""

    name: str
    token: int


class LeaseRepository:
    """One row per name. `holder` is the id of the database handle: a process that was started anew is another one."""

    def __init__(self, database: Database) -> None:
        self._database = database
        # A second hand that a transaction does not stop; SQLite has one writer anyhow.
        clock = (
            "(julianday('now') - 2440587.5) * 86400.0"
            if database.is_sqlite
            else "extract(epoch from clock_timestamp())"
        )
        self._now: ColumnElement[float] = literal_column(clock)

    @property
    def holder(self) -> str:
        return self._database.id

    async def take(self, name: str, ttl_s: float) -> Lease | None:
        """The lease, if nobody holds it; None while somebody does.

        One that expires later than a fresh one could was written before the database's clock was set back: it counts
        as expired, since nobody could otherwise take over for as long as the clock was wrong.
        """
        if await self._is_held(name, ttl_s):  # looked at without a lock: whoever waits must not hinder who works
            return None

        async def work(connection: AsyncConnection) -> Lease | None:
            await connection.execute(
                self._database.insert(LEASES)
                .values(name=name, holder=_NOBODY, token=0, expires_at=0.0)
                .on_conflict_do_nothing(index_elements=["name"])
            )
            # Waits for every transaction that `require` let begin under the token before.
            row = (await connection.execute(self._looked_at(name).with_for_update())).one()
            if _is_held(row, ttl_s):
                return None
            taken = update(LEASES).where(LEASES.c.name == name)
            await connection.execute(
                taken.values(holder=self.holder, token=row.token + 1, expires_at=self._now + ttl_s)
            )
            return Lease(name, row.token + 1)

        return await self._database.transaction(work)

    async def renew(self, lease: Lease, ttl_s: float) -> bool:
        """Whether it is still ours, now for another `ttl_s`: also one that expired and nobody took."""
        ours = (LEASES.c.name == lease.name, LEASES.c.token == lease.token, LEASES.c.holder == self.holder)
        renewed = update(LEASES).where(*ours).values(expires_at=self._now + ttl_s)
        return (await self._database.transaction(lambda connection: connection.execute(renewed))).rowcount == 1

    async def release(self, lease: Lease) -> None:
        """Let the next one have it at once. One that is lost already is left alone."""
        ours = (LEASES.c.name == lease.name, LEASES.c.token == lease.token)

        async def work(connection: AsyncConnection) -> None:
            await connection.execute(update(LEASES).where(*ours).values(holder=_NOBODY, expires_at=0.0))
            await announce(connection, Notice(NoticeKind.LEASE, subject=lease.name))

        await self._database.transaction(work)

    async def _is_held(self, name: str, ttl_s: float) -> bool:
        rows = await self._database.rows(self._looked_at(name))
        return bool(rows) and _is_held(rows[0], ttl_s)

    def _looked_at(self, name: str) -> Any:
        left = (LEASES.c.expires_at - self._now).label("left_s")
        return select(LEASES.c.token, LEASES.c.holder, left).where(LEASES.c.name == name)


async def require(connection: AsyncConnection, lease: Lease | None) -> None:
    """Call first in a transaction that only the holder may commit. None asks for nothing: there is one gateway.

    Until the transaction ends nobody else can take the lease; renewing it does not wait. Raises LeaseLost.
    """
    if lease is None:
        return
    query = select(LEASES.c.token).where(LEASES.c.name == lease.name).with_for_update(key_share=True, read=True)
    if (await connection.execute(query)).scalar_one_or_none() != lease.token:
        raise LeaseLost


def _is_held(row: Row[Any], ttl_s: float) -> bool:
    return bool(row.holder != _NOBODY and 0 < row.left_s <= ttl_s)

"""Syncs that a gateway asks of the one that holds the lease, with their answers. A row outlives the death of either."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from sqlalchemy import ColumnElement, delete, insert, literal_column, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.catalogue import SyncRun
from store.database import Database
from store.json_text import decode, encode
from store.notices import Notice, NoticeKind, announce
from store.tables import SYNC_REQUESTS

KEPT_S = 600.0
"""Whoever asked has long gone away."""


@dataclass(frozen=True, slots=True)
class SyncAsked:
    """One request. `accepts_removal`: also of most tools at once."""

    tenant: str
    id: str
    server: str
    trigger: str
    accepts_removal: bool


class SyncRequestRepository:
    """Asked by one gateway, answered by another."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._now: ColumnElement[float] = literal_column(
            "unixepoch()" if database.is_sqlite else "extract(epoch from clock_timestamp())"
        )

    async def ask(self, tenant: str, server: str, trigger: str, *, accepts_removal: bool) -> SyncAsked:
        """Raises the Unavailable family, as all here."""
        asked = SyncAsked(tenant, secrets.token_hex(8), server, trigger, accepts_removal)
        row = insert(SYNC_REQUESTS).values(
            tenant=tenant, id=asked.id, server=server, trigger=trigger, accepts_removal=accepts_removal,
            asked_at=self._now,
        )  # fmt: skip

        async def work(connection: AsyncConnection) -> None:
            await connection.execute(row)
            await announce(connection, Notice(NoticeKind.REQUEST))

        await self._database.transaction(work)
        return asked

    async def open(self) -> list[SyncAsked]:
        """What nobody has answered yet, the oldest first."""
        query = select(SYNC_REQUESTS).where(SYNC_REQUESTS.c.run.is_(None)).order_by(SYNC_REQUESTS.c.asked_at)
        return [
            SyncAsked(row.tenant, row.id, row.server, row.trigger, row.accepts_removal)
            for row in await self._database.rows(query)
        ]

    async def answer(self, asked: SyncAsked, run: SyncRun) -> None:
        """Say how it went. What was asked for too long ago is forgotten meanwhile."""
        answered = update(SYNC_REQUESTS).where(*_this(asked)).values(run=encode(asdict(run)))

        async def work(connection: AsyncConnection) -> None:
            await connection.execute(answered)
            await connection.execute(delete(SYNC_REQUESTS).where(SYNC_REQUESTS.c.asked_at < self._now - KEPT_S))
            await announce(connection, Notice(NoticeKind.ANSWER, asked.tenant, asked.id))

        await self._database.transaction(work)

    async def answered(self, asked: SyncAsked) -> SyncRun | None:
        """The run, once there is one."""
        rows = await self._database.rows(select(SYNC_REQUESTS.c.run).where(*_this(asked)))
        return _run(decode(rows[0].run)) if rows and rows[0].run is not None else None

    async def forget(self, asked: SyncAsked) -> None:
        """Nobody waits for it any more."""
        gone = delete(SYNC_REQUESTS).where(*_this(asked))
        await self._database.transaction(lambda connection: connection.execute(gone))


def _run(kept: Mapping[str, Any]) -> SyncRun:
    """As another version may have written it: what this one does not know is left out."""
    known = {field.name for field in fields(SyncRun)}
    return SyncRun(
        **{name: value for name, value in kept.items() if name in known} | {"warnings": tuple(kept["warnings"])}
    )


def _this(asked: SyncAsked) -> tuple[ColumnElement[bool], ...]:
    return (SYNC_REQUESTS.c.tenant == asked.tenant, SYNC_REQUESTS.c.id == asked.id)

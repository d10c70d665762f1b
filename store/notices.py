"""What changed, told to the other gateways on the same database: PostgreSQL's LISTEN and NOTIFY.

A notice goes out with the commit it tells of, and only says where to look: one that is lost costs time, never truth.
After every gap the listener hears MISSED and looks at everything. A SQLite file has one gateway: nobody is told.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import StoreUnavailable
from store.database import Database

CHANNEL = "toolcrib"
RETRY_S = 0.5

_log = logging.getLogger(__name__)


class NoticeKind(StrEnum):
    """What the subject is stands behind each."""

    MISSED = "missed"  # nothing: any notice may have been lost
    CATALOGUE = "catalogue"  # a server: its tools, or how they are named
    SERVER = "server"  # a server: it was added, changed or removed
    INDEX = "index"  # nothing: the change log grew, or a shared index has followed it
    REQUEST = "request"  # nothing: a sync is asked for
    ANSWER = "answer"  # the request that was answered
    LEASE = "lease"  # the lease that was given back
    POLICY = "policy"  # nothing: a tenant's policy was promoted or rolled back


@dataclass(frozen=True, slots=True)
class Notice:
    """Where to look."""

    kind: NoticeKind
    tenant: str = ""
    subject: str = ""


async def announce(connection: AsyncConnection, notice: Notice) -> None:
    """Tell the others when the transaction of this connection is committed."""
    origin = connection.sync_connection.get_execution_options().get("origin") if connection.sync_connection else None
    if origin is not None:
        said = json.dumps([origin, notice.kind.value, notice.tenant, notice.subject], separators=(",", ":"))
        await connection.execute(select(func.pg_notify(CHANNEL, said)))


class Notices:
    """Hears the others; what this process said itself is left out."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def run(self, hear: Callable[[Notice], None]) -> None:
        """Until cancelled. `hear` must not wait."""
        if self._database.is_sqlite:
            await asyncio.Event().wait()

        def heard(said: str) -> None:
            origin, kind, tenant, subject = json.loads(said)
            if origin != self._database.id and kind in set(NoticeKind):
                hear(Notice(NoticeKind(kind), tenant, subject))

        while True:
            try:
                await self._database.listen(CHANNEL, lambda: hear(Notice(NoticeKind.MISSED)), heard)
            except StoreUnavailable as error:
                _log.info("What other gateways change is not heard at the moment: %s", error.message)
            await asyncio.sleep(RETRY_S)

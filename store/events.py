"""The append-only log of decisions and outcomes. There is no update and no delete here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.events import Event, EventKind, Outcome, Versions
from store.database import Database
from store.json_text import decode, encode
from store.numbering import Numbered, allocate
from store.tables import EVENTS


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """An event and its number in the log, by which a reader goes on."""

    seq: int
    event: Event


class EventRepository:
    """Appends in batches, reads in the order of commits."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def append(self, events: Sequence[Event]) -> None:
        """Write a batch in one transaction. Events that are in the log already are left alone, so a batch whose
        commit was never confirmed may be sent again.
        """
        if not events:
            return
        rows = [_row(event) for event in events]
        statement = self._database.insert(EVENTS).on_conflict_do_nothing(index_elements=["tenant", "id"])

        async def work(connection: AsyncConnection) -> None:
            numbers = await allocate(connection, Numbered.EVENTS, len(rows))
            await connection.execute(statement, [{**row, "seq": seq} for seq, row in zip(numbers, rows, strict=True)])

        await self._database.transaction(work)

    async def read(
        self, tenant: str, *, session_id: str | None = None, after: int = 0, limit: int = 1000
    ) -> list[LoggedEvent]:
        """A tenant's events behind number `after`, oldest first; of one session when it is named."""
        query = select(EVENTS).where(EVENTS.c.tenant == tenant, EVENTS.c.seq > after)
        if session_id is not None:
            query = query.where(EVENTS.c.session_id == session_id)
        rows = await self._database.rows(query.order_by(EVENTS.c.seq).limit(limit))
        return [LoggedEvent(row.seq, _event(row)) for row in rows]


def _row(event: Event) -> dict[str, Any]:
    return {
        "tenant": event.tenant,
        "id": event.id,
        "kind": event.kind.value,
        "session_id": event.session_id,
        "parent_id": event.parent_id,
        "subject": event.subject,
        "at": event.at,
        "outcome": event.outcome.value,
        "propensity": event.propensity,
        "latency_ms": event.latency_ms,
        "versions": encode(asdict(event.versions)),
        "body": encode(event.body),
    }


def _event(row: Row[Any]) -> Event:
    return Event(
        tenant=row.tenant,
        subject=row.subject,
        kind=EventKind(row.kind),
        at=row.at,
        session_id=row.session_id,
        parent_id=row.parent_id,
        outcome=Outcome(row.outcome),
        propensity=row.propensity,
        latency_ms=row.latency_ms,
        versions=Versions(**decode(row.versions)),
        body=decode(row.body),
        id=row.id,
    )

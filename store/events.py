"""The append-only log of decisions and outcomes. There is no update; what a tenant's rules let go is deleted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.events import Actor, Event, EventKind, Outcome, Versions
from domain.failpoints import failpoint
from domain.log_rules import LogRules
from store.database import CHUNK, Database
from store.json_text import decode, encode
from store.numbering import Numbered, allocate
from store.tables import EVENTS


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """An event and its number in the log, by which a reader goes on."""

    seq: int
    event: Event


@dataclass(frozen=True, slots=True)
class SessionCall:
    """A call that succeeded in a session."""

    seq: int
    session_id: str
    tool_id: str


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
            failpoint("store.events_written")

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

    async def last(self, tenant: str) -> int:
        """The number of a tenant's newest event; 0 when there is none."""
        newest = select(EVENTS.c.seq).where(EVENTS.c.tenant == tenant).order_by(EVENTS.c.seq.desc()).limit(1)
        rows = await self._database.rows(newest)
        return int(rows[0][0]) if rows else 0

    async def session_calls(self, tenant: str, *, after: int = 0, limit: int = 1000) -> list[SessionCall]:
        """A tenant's successful calls in sessions behind number `after`, oldest first."""
        query = select(EVENTS.c.seq, EVENTS.c.session_id, EVENTS.c.body).where(
            EVENTS.c.tenant == tenant,
            EVENTS.c.seq > after,
            EVENTS.c.kind == EventKind.CALL.value,
            EVENTS.c.outcome == Outcome.OK.value,
            EVENTS.c.session_id.is_not(None),
        )
        rows = await self._database.rows(query.order_by(EVENTS.c.seq).limit(limit))
        return [SessionCall(row.seq, row.session_id, str(decode(row.body).get("tool_id"))) for row in rows]

    async def find(self, tenant: str, event_id: str) -> LoggedEvent | None:
        """One event by its id."""
        rows = await self._database.rows(select(EVENTS).where(EVENTS.c.tenant == tenant, EVENTS.c.id == event_id))
        return LoggedEvent(rows[0].seq, _event(rows[0])) if rows else None

    async def tenants(self) -> list[str]:
        """Those that have events."""
        return [row[0] for row in await self._database.rows(select(EVENTS.c.tenant).distinct())]

    async def forget(self, tenant: str, rules: LogRules, now: float) -> int:
        """Delete what is older or more than the rules allow, the oldest first; returns how many there were.

        In small transactions: the writer of the log waits for none of them long.
        """
        last = select(EVENTS.c.seq).where(EVENTS.c.tenant == tenant)
        beyond = last.order_by(EVENTS.c.seq.desc()).offset(rules.max_events).limit(1).scalar_subquery()
        old = (EVENTS.c.tenant == tenant, EVENTS.c.at < now - rules.retention_s)
        surplus = (EVENTS.c.tenant == tenant, EVENTS.c.seq <= func.coalesce(beyond, 0))
        return sum([await self._delete(where) for where in (old, surplus)])

    async def _delete(self, where: tuple[ColumnElement[bool], ...]) -> int:
        gone = 0
        while True:
            rows = await self._database.rows(select(EVENTS.c.tenant, EVENTS.c.seq).where(*where).limit(CHUNK))
            if not rows:
                return gone
            these = (EVENTS.c.tenant == rows[0].tenant, EVENTS.c.seq.in_([row.seq for row in rows]))
            gone += await self._database.quick(delete(EVENTS).where(*these), {})


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
        "actor": event.actor.value,
        "cost": event.cost,
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
        actor=_actor(row),
        cost=row.cost or 0.0,
        id=row.id,
    )


def _actor(row: Row[Any]) -> Actor:
    """Of rows from before actors were written, an agent took the calls."""
    if row.actor is not None:
        return Actor(row.actor)
    return Actor.AGENT if row.kind == EventKind.CALL else Actor.GATEWAY

"""Sessions with their tool memory, bound to tenant and subject. A subject of None stands for an admin: any subject.

A memory is changed by one statement that names the version it was made from: of two gateways that serve one session at
once, the one that comes too late looks again and repeats. What was read last is remembered here, so that the usual
operation is that one statement.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakValueDictionary

from sqlalchemy import ColumnElement, Row, bindparam, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import SessionNotFound
from domain.memory import MemoryChange, ToolMemory
from domain.sessions import Session
from store.database import Database
from store.memory_json import encode_memory
from store.session_rows import memory_of, session_columns, session_of
from store.tables import SESSIONS

REMEMBERED = 2000
"""Sessions of which the last state seen is kept; about 10 KB each."""

_TRIES = 4  # then under the row's lock: however busy a session is, everybody's turn comes

# Made once: composing them would cost more than sending them.
_CHANGE_ANY = (
    update(SESSIONS)
    .where(
        SESSIONS.c.tenant == bindparam("of_tenant"),
        SESSIONS.c.id == bindparam("of_id"),
        SESSIONS.c.version == bindparam("seen_version"),
        SESSIONS.c.expires_at > bindparam("now"),
    )
    .values({name: bindparam(name) for name in ("memory", "version", "expires_at")})
)
_CHANGE_OWN = _CHANGE_ANY.where(SESSIONS.c.subject == bindparam("of_subject"))

Apply = Callable[[ToolMemory], MemoryChange]


@dataclass(frozen=True, slots=True)
class _Seen:
    session: Session
    memory: ToolMemory
    version: int


class SessionRepository:
    """One row per session. Unknown, expired and foreign sessions all raise the same SessionNotFound."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._seen: OrderedDict[tuple[str, str], _Seen] = OrderedDict()
        self._turns: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    async def create(self, session: Session, memory: ToolMemory) -> None:
        """Store a new session. Raises Conflict when the id exists."""
        row = session_columns(session, memory)
        await self._database.quick(insert(SESSIONS), row)
        self._remember(_Seen(session, memory, 0))

    async def get(self, tenant: str, subject: str | None, session_id: str, now: float) -> tuple[Session, ToolMemory]:
        """One live session as it is stored. Raises SessionNotFound."""
        seen = await self._read(tenant, subject, session_id, now)
        return seen.session, seen.memory

    async def known(self, tenant: str, subject: str | None, session_id: str, now: float) -> tuple[Session, ToolMemory]:
        """One live session as it was when it was last read or changed here, which another gateway may have changed
        since. A change finds out; whoever only looks uses `get`. Raises SessionNotFound.
        """
        seen = self._recall(tenant, subject, session_id, now)
        return (seen.session, seen.memory) if seen else await self.get(tenant, subject, session_id, now)

    async def update_memory(
        self, tenant: str, subject: str | None, session_id: str, fn: Apply, now: float
    ) -> MemoryChange:
        """Let `fn` change the memory: concurrent turns on one session queue, none is lost, and `fn` may be asked again.

        What changes a memory also moves its session's expiry; an unchanged one is not written. Whatever `fn` raises
        leaves the memory as it was. Raises SessionNotFound.
        """
        turn = self._turns.setdefault((tenant, session_id), asyncio.Lock())

        async def in_turn() -> MemoryChange:
            async with turn:
                return await self._update(tenant, subject, session_id, fn, now)

        return await self._database.unbroken(in_turn())

    async def list(
        self, tenant: str, *, now: float, subject: str | None = None, offset: int = 0, limit: int = 100
    ) -> list[tuple[Session, ToolMemory]]:
        """Live sessions, the newest first. By offset: a handle must not stand in a query string, so it is no cursor."""
        query = select(SESSIONS).where(*_live(tenant, subject, None, now))
        query = query.order_by(SESSIONS.c.created_at.desc(), SESSIONS.c.id.desc()).offset(offset).limit(limit)
        rows = await self._database.rows(query)
        return [(seen.session, seen.memory) for seen in map(_as_seen, rows)]

    async def forget(self, tenant: str, subject: str | None, session_id: str, now: float) -> None:
        """Delete one live session with its memory. Raises SessionNotFound."""
        this = delete(SESSIONS).where(*_live(tenant, subject, session_id, now))
        gone = await self._database.transaction(lambda connection: connection.execute(this))
        if gone.rowcount == 0:
            raise SessionNotFound
        self._seen.pop((tenant, session_id), None)

    async def expire(self, now: float) -> int:
        """Delete the expired sessions of all tenants and return how many there were."""
        expired = delete(SESSIONS).where(SESSIONS.c.expires_at <= now)
        return (await self._database.transaction(lambda connection: connection.execute(expired))).rowcount

    async def _update(self, tenant: str, subject: str | None, session_id: str, fn: Apply, now: float) -> MemoryChange:
        seen = self._recall(tenant, subject, session_id, now)
        is_recalled = seen is not None
        for _ in range(_TRIES):
            if seen is None:
                seen, is_recalled = await self._read(tenant, subject, session_id, now), False
            change = fn(seen.memory)
            if change.memory == seen.memory:
                if not is_recalled:
                    return change
            elif (written := await self._write(seen, change.memory, subject, now)) is not None:
                self._remember(written)
                return change
            seen = None
        return await self._update_locked(tenant, subject, session_id, fn, now)

    async def _write(self, seen: _Seen, memory: ToolMemory, subject: str | None, now: float) -> _Seen | None:
        """None when the session is no longer what was seen: changed by another gateway, forgotten, expired."""
        written = _following(seen, memory, now)
        values = {
            **_columns(written),
            "of_tenant": seen.session.tenant,
            "of_id": seen.session.id,
            **({} if subject is None else {"of_subject": subject}),
            "seen_version": seen.version,
            "now": now,
        }
        return written if await self._database.quick(_CHANGE_ANY if subject is None else _CHANGE_OWN, values) else None

    async def _update_locked(
        self, tenant: str, subject: str | None, session_id: str, fn: Apply, now: float
    ) -> MemoryChange:
        query = select(SESSIONS).where(*_live(tenant, subject, session_id, now)).with_for_update()

        async def work(connection: AsyncConnection) -> tuple[MemoryChange, _Seen]:
            row = (await connection.execute(query)).first()
            if row is None:
                raise SessionNotFound
            seen = _as_seen(row)
            change = fn(seen.memory)
            written = _following(seen, change.memory, now)
            this = (SESSIONS.c.tenant == tenant, SESSIONS.c.id == session_id)
            await connection.execute(update(SESSIONS).where(*this).values(_columns(written)))
            return change, written

        change, written = await self._database.transaction(work)
        self._remember(written)
        return change

    async def _read(self, tenant: str, subject: str | None, session_id: str, now: float) -> _Seen:
        rows = await self._database.rows(select(SESSIONS).where(*_live(tenant, subject, session_id, now)))
        if not rows:
            raise SessionNotFound
        seen = _as_seen(rows[0])
        self._remember(seen)
        return seen

    def _recall(self, tenant: str, subject: str | None, session_id: str, now: float) -> _Seen | None:
        seen = self._seen.get((tenant, session_id))
        if seen is None or seen.session.is_expired(now) or subject not in {None, seen.session.subject}:
            return None
        return seen

    def _remember(self, seen: _Seen) -> None:
        key = (seen.session.tenant, seen.session.id)
        self._seen[key] = seen
        self._seen.move_to_end(key)
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)


def _live(tenant: str, subject: str | None, session_id: str | None, now: float) -> list[ColumnElement[bool]]:
    where = [SESSIONS.c.tenant == tenant, SESSIONS.c.expires_at > now]
    if session_id is not None:
        where.append(SESSIONS.c.id == session_id)
    if subject is not None:
        where.append(SESSIONS.c.subject == subject)
    return where


def _following(seen: _Seen, memory: ToolMemory, now: float) -> _Seen:
    """What the session is once this memory is written."""
    return _Seen(replace(seen.session, expires_at=seen.session.extended(now)), memory, seen.version + 1)


def _columns(seen: _Seen) -> dict[str, Any]:
    """What a change of the memory writes."""
    return {
        "memory": encode_memory(seen.memory),
        "version": seen.version,
        "expires_at": seen.session.expires_at,
    }


def _as_seen(row: Row[Any]) -> _Seen:
    session = session_of(row)
    return _Seen(session, memory_of(row, session), row.version)

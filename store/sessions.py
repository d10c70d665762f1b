"""Sessions with their tool memory, bound to tenant and subject. A subject of None stands for an admin: any subject."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, Row, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import SessionNotFound
from domain.memory import MemoryChange, ToolMemory
from domain.sessions import MemoryMode, Session, SessionLimits
from store.database import Database
from store.memory_json import decode_memory, encode_memory
from store.tables import SESSIONS


class SessionRepository:
    """One row per session. Unknown, expired and foreign sessions all raise the same SessionNotFound."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, session: Session, memory: ToolMemory) -> None:
        """Store a new session. Raises Conflict when the id exists."""
        row = {
            "tenant": session.tenant,
            "id": session.id,
            "subject": session.subject,
            "created_at": session.created_at,
            "expires_at": session.expires_at,
            **_memory_columns(memory),
        }
        await self._database.transaction(lambda connection: connection.execute(insert(SESSIONS).values(row)))

    async def get(self, tenant: str, subject: str | None, session_id: str, now: float) -> tuple[Session, ToolMemory]:
        """One live session. Raises SessionNotFound."""
        rows = await self._database.rows(select(SESSIONS).where(*_live(tenant, subject, session_id, now)))
        if not rows:
            raise SessionNotFound
        return _session(rows[0]), _memory(rows[0])

    async def update_memory(
        self, tenant: str, subject: str | None, session_id: str, fn: Callable[[ToolMemory], MemoryChange], now: float
    ) -> MemoryChange:
        """Let `fn` change the memory under the row's lock: concurrent turns on one session queue, none is lost.

        An unchanged memory is not written. Whatever `fn` raises leaves the memory as it was. Raises SessionNotFound.
        """
        query = select(SESSIONS).where(*_live(tenant, subject, session_id, now)).with_for_update()

        async def work(connection: AsyncConnection) -> MemoryChange:
            row = (await connection.execute(query)).first()
            if row is None:
                raise SessionNotFound
            held = _memory(row)
            change = fn(held)
            if change.memory != held:
                this = (SESSIONS.c.tenant == tenant, SESSIONS.c.id == session_id)
                await connection.execute(update(SESSIONS).where(*this).values(_memory_columns(change.memory)))
            return change

        return await self._database.transaction(work)

    async def list(
        self, tenant: str, *, now: float, subject: str | None = None, offset: int = 0, limit: int = 100
    ) -> list[tuple[Session, ToolMemory]]:
        """Live sessions, the newest first. By offset: a handle must not stand in a query string, so it is no cursor."""
        query = select(SESSIONS).where(*_live(tenant, subject, None, now))
        query = query.order_by(SESSIONS.c.created_at.desc(), SESSIONS.c.id.desc()).offset(offset).limit(limit)
        rows = await self._database.rows(query)
        return [(_session(row), _memory(row)) for row in rows]

    async def forget(self, tenant: str, subject: str | None, session_id: str, now: float) -> None:
        """Delete one live session with its memory. Raises SessionNotFound."""
        this = delete(SESSIONS).where(*_live(tenant, subject, session_id, now))
        gone = await self._database.transaction(lambda connection: connection.execute(this))
        if gone.rowcount == 0:
            raise SessionNotFound

    async def expire(self, now: float) -> int:
        """Delete the expired sessions of all tenants and return how many there were."""
        expired = delete(SESSIONS).where(SESSIONS.c.expires_at <= now)
        return (await self._database.transaction(lambda connection: connection.execute(expired))).rowcount


def _live(tenant: str, subject: str | None, session_id: str | None, now: float) -> list[ColumnElement[bool]]:
    where = [SESSIONS.c.tenant == tenant, SESSIONS.c.expires_at > now]
    if session_id is not None:
        where.append(SESSIONS.c.id == session_id)
    if subject is not None:
        where.append(SESSIONS.c.subject == subject)
    return where


def _memory_columns(memory: ToolMemory) -> dict[str, Any]:
    return {"mode": memory.mode.value, "max_tools": memory.limits.max_tools, "memory": encode_memory(memory)}


def _session(row: Row[Any]) -> Session:
    mode, limits = MemoryMode(row.mode), SessionLimits(row.max_tools)
    return Session(row.tenant, row.id, row.subject, mode, limits, row.created_at, row.expires_at)


def _memory(row: Row[Any]) -> ToolMemory:
    return decode_memory(row.memory, MemoryMode(row.mode), SessionLimits(row.max_tools))

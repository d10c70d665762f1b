"""Kept policies and their lifecycle: files by version, and a list of moves per tenant that only grows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy import Row, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import Conflict
from domain.policy_moves import MoveKind, PolicyMode, PolicyMove
from store.database import Database
from store.json_text import decode, encode
from store.notices import Notice, NoticeKind, announce
from store.tables import POLICY_FILES, POLICY_MOVES


class PolicyRepository:
    """The newest move of a tenant is its state; nothing else says which policy is in force."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def moves(self, tenant: str | None = None) -> list[PolicyMove]:
        """In their order; of all tenants where none is named."""
        query = select(POLICY_MOVES).order_by(POLICY_MOVES.c.tenant, POLICY_MOVES.c.number)
        if tenant is not None:
            query = query.where(POLICY_MOVES.c.tenant == tenant)
        return [_move(row) for row in await self._database.rows(query)]

    async def add(self, move: PolicyMove) -> None:
        """Put a move behind the one with the number before. Raises Conflict when another one came in between."""

        async def work(connection: AsyncConnection) -> None:
            insert = self._database.insert(POLICY_MOVES).values(_row(move)).on_conflict_do_nothing()
            if not (await connection.execute(insert)).rowcount:
                raise Conflict("The policy was changed by somebody else meanwhile; look at it and try again.")
            await announce(connection, Notice(NoticeKind.POLICY, move.tenant))

        await self._database.transaction(work)

    async def keep(self, tenant: str, version: str, files: Mapping[str, bytes]) -> None:
        """Keep a version's files. What is kept already stays: a version is named by its content."""
        rows = [
            {"tenant": tenant, "version": version, "name": name, "content": content}
            for name, content in sorted(files.items())
        ]
        insert = self._database.insert(POLICY_FILES).on_conflict_do_nothing()
        await self._database.transaction(lambda connection: connection.execute(insert, rows))

    async def files(self, tenant: str, version: str) -> dict[str, bytes]:
        """Name -> content; empty for a version that is not kept."""
        query = select(POLICY_FILES).where(POLICY_FILES.c.tenant == tenant, POLICY_FILES.c.version == version)
        return {row.name: bytes(row.content) for row in await self._database.rows(query)}

    async def versions(self, tenant: str) -> list[str]:
        """Those that are kept, by name."""
        query = select(func.distinct(POLICY_FILES.c.version).label("version"))
        rows = await self._database.rows(query.where(POLICY_FILES.c.tenant == tenant))
        return sorted(row.version for row in rows)


def _row(move: PolicyMove) -> dict[str, Any]:
    return {**asdict(move), "kind": move.kind.value, "mode": move.mode.value, "evidence": encode(dict(move.evidence))}


def _move(row: Row[Any]) -> PolicyMove:
    return PolicyMove(
        row.tenant,
        row.number,
        row.at,
        row.subject,
        MoveKind(row.kind),
        row.version,
        PolicyMode(row.mode),
        row.share,
        decode(row.evidence),
        row.reason,
        row.restores,
    )

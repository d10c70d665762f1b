"""The history of every tool: each version that was served, held or rejected, when, and who approved it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.canonical import JsonObject
from store.database import Database
from store.json_text import decode
from store.numbering import Numbered, allocate
from store.tables import TOOL_VERSIONS

APPROVED, HELD, REJECTED = "approved", "held", "rejected"

_KEPT = ("tenant", "tool_id", "contract_hash", "raw", "generation")
_DECIDED = ("decision", "decided_by", "at")


@dataclass(frozen=True, slots=True)
class ToolVersion:
    """What was decided about one version of a tool. `by`: a subject, or `policy:NAME`; None for one that is held, or
    was served before decisions were kept.
    """

    tool_id: str
    contract_hash: str
    raw: JsonObject
    at: float  # epoch seconds
    generation: int
    decision: str  # approved, held, rejected
    by: str | None


async def add_versions(
    connection: AsyncConnection, rows: Sequence[Mapping[str, Any]], decision: str, by: str | None, at: float
) -> None:
    """Append to the history. Each row holds the columns of _KEPT."""
    decided = {"decision": decision, "decided_by": by, "at": at}
    await add_decided(connection, [{**row, **decided} for row in rows])


async def add_decided(connection: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> None:
    """As `add_versions`, each with its own decision, decided_by and at."""
    if not rows:
        return
    numbers = await allocate(connection, Numbered.VERSIONS, len(rows))
    versions = [
        {**{name: row[name] for name in (*_KEPT, *_DECIDED)}, "seq": seq}
        for seq, row in zip(numbers, rows, strict=True)
    ]
    await connection.execute(insert(TOOL_VERSIONS), versions)


class VersionRepository:
    """Reads the history."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, tenant: str, tool_id: str, limit: int = 100) -> list[ToolVersion]:
        """The newest first."""
        this = (TOOL_VERSIONS.c.tenant == tenant, TOOL_VERSIONS.c.tool_id == tool_id)
        query = select(TOOL_VERSIONS).where(*this).order_by(TOOL_VERSIONS.c.seq.desc()).limit(limit)
        return [
            ToolVersion(
                row.tool_id, row.contract_hash, decode(row.raw), row.at, row.generation, row.decision, row.decided_by
            )
            for row in await self._database.rows(query)
        ]

    async def approved(self, tenant: str, tool_id: str, prefix: str) -> JsonObject | None:
        """The newest version that was served and whose contract hash begins so; None when history has none."""
        query = select(TOOL_VERSIONS.c.raw).where(
            TOOL_VERSIONS.c.tenant == tenant,
            TOOL_VERSIONS.c.tool_id == tool_id,
            TOOL_VERSIONS.c.decision == APPROVED,
            TOOL_VERSIONS.c.contract_hash.startswith(prefix, autoescape=True),
        )
        rows = await self._database.rows(query.order_by(TOOL_VERSIONS.c.seq.desc()).limit(1))
        return decode(rows[0].raw) if rows else None

"""Brings a database to the schema this code expects. Alembic is imported only when there is something to do: it costs
half a second.
"""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from store.database import Database
from store.revision import HEAD, revision

_MIGRATION_LOCK = 0x7001_C21B
"""Key of PostgreSQL's advisory lock: of two gateways that start together, one migrates and the other waits."""


async def migrate(database: Database) -> None:
    """Upgrade to HEAD in one transaction: an interrupted migration leaves the old schema, and the next start resumes.

    Raises StoreUnavailable when a newer Toolcrib has written this database.
    """
    if await database.inspect(revision) == HEAD:
        return
    from store.upgrade import upgrade  # noqa: PLC0415  Alembic, only now that it is needed

    async def work(connection: AsyncConnection) -> None:
        if not database.is_sqlite:
            await connection.execute(text("SET LOCAL lock_timeout = '10s'"))
            await connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))  # it may think long
            await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
        await connection.run_sync(upgrade)

    await database.transaction(work)

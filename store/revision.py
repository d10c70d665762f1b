"""Which schema a database has, and which one this code expects."""

from __future__ import annotations

from sqlalchemy import Connection, inspect, text

HEAD = "0040"
"""The newest revision in migrations/versions; a test keeps the two equal."""


def revision(connection: Connection) -> str | None:
    """The schema's revision; None for a database that is empty."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()

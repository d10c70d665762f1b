"""Which schema a database has, and which one this code expects."""

from __future__ import annotations

from sqlalchemy import Connection, inspect, text

HEAD = "0050"
"""The newest revision in migrations/versions; a test keeps the two equal."""


def revision(connection: Connection) -> str | None:
    """The schema's revision; None for a database that is empty."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()


def floor(connection: Connection) -> str | None:
    """The oldest revision whose code may run on the schema; None for a schema that does not say."""
    if not inspect(connection).has_table("schema_floor"):
        return None
    return connection.execute(text("SELECT revision FROM schema_floor")).scalar_one_or_none()

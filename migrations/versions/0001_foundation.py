"""Foundation: servers, the catalogue with its history and change log, vectors, sessions, events, sync runs.

Runs before deploy; creates only. On PostgreSQL, keys compare by code point (collation C) as they do on SQLite.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    _servers()
    _catalogue()
    _index()
    _sessions()
    _events()
    _sync_runs()


def _servers() -> None:
    op.create_table(
        "servers",
        sa.Column("tenant", KEY, primary_key=True),
        sa.Column("slug", KEY, primary_key=True),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("transport", sa.Text, nullable=False),
        sa.Column("command", sa.Text, nullable=False),
        sa.Column("cwd", sa.Text),
        sa.Column("url", sa.Text),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("generation", sa.BigInteger, nullable=False),
        sa.Column("secrets", sa.Text, nullable=False),
    )


def _catalogue() -> None:
    op.create_table(
        "tools",
        sa.Column("tenant", KEY, primary_key=True),
        sa.Column("tool_id", KEY, primary_key=True),
        sa.Column("server", KEY, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("generation", sa.BigInteger, nullable=False),
        sa.Column("contract_hash", sa.Text, nullable=False),
        sa.Column("semantic_hash", sa.Text, nullable=False),
        sa.Column("raw", sa.Text, nullable=False),
        sa.Column("indexed", sa.Text, nullable=False),
    )
    op.create_index("tools_by_server", "tools", ["tenant", "server"])
    op.create_table(
        "tool_versions",
        sa.Column("tenant", KEY, primary_key=True),
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("tool_id", KEY, nullable=False),
        sa.Column("contract_hash", sa.Text, nullable=False),
        sa.Column("raw", sa.Text, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("generation", sa.BigInteger, nullable=False),
    )
    op.create_index("tool_versions_by_tool", "tool_versions", ["tenant", "tool_id", "seq"])


def _index() -> None:
    op.create_table(
        "index_changes",
        sa.Column("tenant", KEY, primary_key=True),
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("tool_id", KEY, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
    )
    op.create_index("index_changes_by_seq", "index_changes", ["seq"], unique=True)
    counters = op.create_table(
        "counters",
        sa.Column("name", KEY, primary_key=True),
        sa.Column("value", sa.BigInteger, nullable=False),
    )
    names = ("index_changes", "tool_versions", "events", "sync_runs")
    op.bulk_insert(counters, [{"name": name, "value": 0} for name in names])
    op.create_table(
        "cursors",
        sa.Column("name", KEY, primary_key=True),
        sa.Column("seq", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "vectors",
        sa.Column("key", KEY, primary_key=True),
        sa.Column("vector", sa.LargeBinary, nullable=False),
    )


def _sessions() -> None:
    op.create_table(
        "sessions",
        sa.Column("tenant", KEY, primary_key=True),
        sa.Column("id", KEY, primary_key=True),
        sa.Column("subject", KEY, nullable=False),
        sa.Column("mode", sa.Text, nullable=False),
        sa.Column("max_tools", sa.Integer, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
        sa.Column("memory", sa.Text, nullable=False),
    )
    op.create_index("sessions_by_age", "sessions", ["tenant", "created_at", "id"])
    op.create_index("sessions_by_expiry", "sessions", ["expires_at"])


def _events() -> None:
    op.create_table(
        "events",
        sa.Column("tenant", KEY, primary_key=True),
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("id", KEY, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("session_id", KEY),
        sa.Column("parent_id", KEY),
        sa.Column("subject", KEY, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("propensity", sa.Double, nullable=False),
        sa.Column("latency_ms", sa.Double, nullable=False),
        sa.Column("versions", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index("events_by_id", "events", ["tenant", "id"], unique=True)
    op.create_index("events_by_session", "events", ["tenant", "session_id", "seq"])


def _sync_runs() -> None:
    op.create_table(
        "sync_runs",
        sa.Column("tenant", KEY, primary_key=True),
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("server", KEY, nullable=False),
        sa.Column("trigger", sa.Text, nullable=False),
        sa.Column("started_at", sa.Double, nullable=False),
        sa.Column("finished_at", sa.Double, nullable=False),
        sa.Column("generation", sa.BigInteger, nullable=False),
        sa.Column("succeeded", sa.Boolean, nullable=False),
        sa.Column("counts", sa.Text, nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("warnings", sa.Text, nullable=False),
    )
    op.create_index("sync_runs_by_server", "sync_runs", ["tenant", "server", "seq"])

"""Trusted servers: whether what a server says about its tools (read-only, idempotent) may be relied on.

Runs before deploy; adds a column with a default, which the previous version neither reads nor writes.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("servers", sa.Column("trusted", sa.Boolean, nullable=False, server_default=sa.false()))

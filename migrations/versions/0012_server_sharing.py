"""Sharing: whether agent sessions have connections of their own to a server.

Runs before deploy; adds a column with a default, which the previous version neither reads nor writes.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("servers", sa.Column("sharing", sa.Text, nullable=False, server_default="auto"))

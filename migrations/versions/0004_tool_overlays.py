"""Tool overlays: the aliases and descriptions that operators lay over tools.

Runs before deploy; adds a table, which the previous version neither reads nor writes.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "tool_overlays",
        sa.Column("tenant", KEY, primary_key=True),
        sa.Column("tool_id", KEY, primary_key=True),
        sa.Column("alias", KEY),
        sa.Column("override", sa.Text),
    )
    op.create_index("tool_overlays_by_alias", "tool_overlays", ["tenant", "alias"], unique=True)

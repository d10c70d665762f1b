"""Questions: what tools were asked for, beside what they say of themselves.

Runs before deploy; adds a table, which the previous version neither reads nor writes.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "questions",
        sa.Column("tenant", KEY, primary_key=True),
        sa.Column("tool_id", KEY, primary_key=True),
        sa.Column("key", KEY, primary_key=True),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("uses", sa.Double, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
    )

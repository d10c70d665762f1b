"""Generated: what language models wrote, so that it is asked for once.

Runs before deploy; adds a table, which the previous version neither reads nor writes.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "generated",
        sa.Column("tenant", KEY, primary_key=True),
        sa.Column("key", KEY, primary_key=True),
        sa.Column("texts", sa.Text, nullable=False),
    )

"""Policies: the files of kept versions, and each tenant's promotions and rollbacks.

Runs before deploy; adds two tables that the previous version does not look at.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0050"
down_revision = "0026"
branch_labels = None
depends_on = None

KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "policy_files",
        sa.Column("tenant", KEY, primary_key=True),
        sa.Column("version", KEY, primary_key=True),
        sa.Column("name", KEY, primary_key=True),
        sa.Column("content", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "policy_moves",
        sa.Column("tenant", KEY, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("version", KEY, nullable=False),
        sa.Column("mode", sa.Text, nullable=False),
        sa.Column("share", sa.Double, nullable=False),
        sa.Column("evidence", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("restores", sa.Integer, nullable=False),
    )

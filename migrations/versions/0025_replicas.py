"""Replicas: leases with fencing tokens, and what one gateway asks the one that syncs to do.

Runs before deploy; adds tables, which the previous version neither reads nor writes. While it still runs, it syncs
without a lease: two gateways may list one server at once, and the generation decides between their commits.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0011"
branch_labels = None
depends_on = None

KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "leases",
        sa.Column("name", KEY, primary_key=True),
        sa.Column("holder", KEY, nullable=False),
        sa.Column("token", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
    )
    op.create_table(
        "sync_requests",
        sa.Column("tenant", KEY, primary_key=True),
        sa.Column("id", KEY, primary_key=True),
        sa.Column("server", KEY, nullable=False),
        sa.Column("trigger", sa.Text, nullable=False),
        sa.Column("accepts_removal", sa.Boolean, nullable=False),
        sa.Column("asked_at", sa.Double, nullable=False),
        sa.Column("run", sa.Text),
    )

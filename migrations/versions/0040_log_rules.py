"""Event log: who decided and what it cost, an index by age for retention, and rules per tenant.

Runs before deploy; adds columns that the previous version leaves empty, an index and a table.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0020"
branch_labels = None
depends_on = None

KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("events", sa.Column("actor", sa.Text))
    op.add_column("events", sa.Column("cost", sa.Double))
    op.create_index("events_by_age", "events", ["tenant", "at"])
    op.create_table(
        "log_rules",
        sa.Column("tenant", KEY, primary_key=True),
        sa.Column("rules", sa.Text, nullable=False),
    )

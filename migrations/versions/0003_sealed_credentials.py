"""Sealed credentials: a server's environment, headers and private URL, and the OAuth credentials of servers.

Runs before deploy. The previous version goes on reading and writing `servers.secrets`, which stays readable for it
(it sees no credentials there); what it writes there is sealed at the next start.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("servers", sa.Column("sealed", sa.Text))
    op.add_column("servers", sa.Column("allow_private", sa.Boolean, nullable=False, server_default=sa.false()))
    op.create_table(
        "credentials",
        sa.Column("tenant", KEY, primary_key=True),
        sa.Column("server", KEY, primary_key=True),
        sa.Column("sealed", sa.Text, nullable=False),
    )

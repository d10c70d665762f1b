"""Tool memory: bounds per session, and a version by which gateways notice that another one changed a memory.

Runs before deploy; adds columns with defaults. The previous version neither reads nor writes them: while it still runs,
a change it makes to a session that a new gateway also serves may be overwritten by that one's next change.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("sessions", sa.Column("bounds", sa.Text))
    op.add_column("sessions", sa.Column("version", sa.BigInteger, nullable=False, server_default="0"))

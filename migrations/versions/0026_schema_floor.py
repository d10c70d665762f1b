"""Schema floor: the oldest revision whose code may run on this schema, so that the previous version can be started again.

Runs before deploy; adds a table. A migration that the code before it cannot live with must set the floor to itself, in
a second release, after the first one has stopped reading what goes.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0040"
branch_labels = None
depends_on = None

KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    floor = op.create_table(
        "schema_floor",
        sa.Column("name", KEY, primary_key=True),
        sa.Column("revision", sa.Text, nullable=False),
    )
    op.bulk_insert(floor, [{"name": "floor", "revision": revision}])

"""Review: what is held from being served, pins, who approved each version, and what a sync took its time for.

Runs before deploy; adds tables, and columns that are nullable or have defaults. The previous version neither reads nor
writes them: while it still syncs, it serves changes that a policy of the new one would hold.
"""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

from domain.lookalikes import skeleton

revision = "0020"
down_revision = "0012"
branch_labels = None
depends_on = None

KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
CHUNK = 1000


def upgrade() -> None:
    op.add_column("servers", sa.Column("review", sa.Text, nullable=False, server_default="accept"))
    op.add_column("servers", sa.Column("held", sa.BigInteger, nullable=False, server_default="0"))
    op.add_column("tools", sa.Column("skeleton", KEY))
    op.add_column("tools", sa.Column("successor", KEY))
    op.create_index("tools_by_skeleton", "tools", ["tenant", "skeleton"])
    op.add_column("tool_versions", sa.Column("decision", sa.Text, nullable=False, server_default="approved"))
    op.add_column("tool_versions", sa.Column("decided_by", KEY))
    op.add_column("sync_runs", sa.Column("details", sa.Text))
    op.create_table(
        "held_tools",
        sa.Column("tenant", KEY, primary_key=True),
        sa.Column("tool_id", KEY, primary_key=True),
        sa.Column("server", KEY, nullable=False),
        sa.Column("id", KEY, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("contract_hash", sa.Text, nullable=False),
        sa.Column("semantic_hash", sa.Text, nullable=False),
        sa.Column("raw", sa.Text, nullable=False),
        sa.Column("indexed", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("warnings", sa.Text, nullable=False),
        sa.Column("renamed_from", KEY),
        sa.Column("seen_at", sa.Double, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("decided_by", KEY),
        sa.Column("decided_at", sa.Double),
    )
    op.create_index("held_tools_by_server", "held_tools", ["tenant", "server"])
    op.create_index("held_tools_by_id", "held_tools", ["tenant", "id"], unique=True)
    op.create_table(
        "held_launches",
        sa.Column("tenant", KEY, primary_key=True),
        sa.Column("server", KEY, primary_key=True),
        sa.Column("transport", sa.Text, nullable=False),
        sa.Column("command", sa.Text, nullable=False),
        sa.Column("cwd", sa.Text),
        sa.Column("url", sa.Text),
        sa.Column("sealed", sa.Text),
        sa.Column("seen_at", sa.Double, nullable=False),
        sa.Column("proposed_by", KEY, nullable=False),
    )
    op.create_table(
        "tool_pins",
        sa.Column("tenant", KEY, primary_key=True),
        sa.Column("tool_id", KEY, primary_key=True),
        sa.Column("server", KEY, nullable=False),
        sa.Column("pinned_by", KEY, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
    )
    op.create_index("tool_pins_by_server", "tool_pins", ["tenant", "server"])
    _name_skeletons()


def _name_skeletons() -> None:
    """Of the tools that are there, so that look-alikes of theirs are noticed."""
    tools = sa.table("tools", *(sa.column(name) for name in ("tenant", "tool_id", "raw", "skeleton")))
    connection = op.get_bind()
    after = ("", "")
    while True:
        query = sa.select(tools.c.tenant, tools.c.tool_id, tools.c.raw).order_by(tools.c.tenant, tools.c.tool_id)
        rows = connection.execute(query.where(sa.tuple_(tools.c.tenant, tools.c.tool_id) > after).limit(CHUNK)).all()
        if not rows:
            return
        named = [{"t": row.tenant, "i": row.tool_id, "s": skeleton(json.loads(row.raw)["name"])} for row in rows]
        this = sa.update(tools).where(tools.c.tenant == sa.bindparam("t"), tools.c.tool_id == sa.bindparam("i"))
        connection.execute(this.values(skeleton=sa.bindparam("s")), named)
        after = (rows[-1].tenant, rows[-1].tool_id)

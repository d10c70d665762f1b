"""Run by Alembic. The connection, and the transaction around it, come from store/migrate.py."""

from __future__ import annotations

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()

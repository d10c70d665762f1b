"""Alembic migrations. Each is safe while the previous version of the code runs."""

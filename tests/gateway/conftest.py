"""The databases of these tests come from tests/store/databases.py."""

from tests.store.databases import (  # noqa: F401  fixtures
    empty_postgres,
    migrated_postgres,
    migrated_sqlite,
    postgres_server,
    postgres_url,
    sqlite_url,
    store,
    store_url,
)

"""The record of truth, opened by URL: one attribute per kind of record.

Refuses to know: MCP, HTTP, vector engines, who calls and why. Domain values go in and come out; rows stay inside.
"""

from __future__ import annotations

from contextlib import AsyncExitStack

from store.catalogue import CatalogueRepository
from store.changes import ChangeLog
from store.database import Database
from store.events import EventRepository
from store.migrate import migrate
from store.runs import SyncRunRepository
from store.servers import ServerRepository
from store.sessions import SessionRepository
from store.url import database_url
from store.vectors import VectorRepository


class Store:
    """Made by `open`. Every operation raises StoreUnavailable or StorageFull when the database does."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.servers = ServerRepository(database)
        self.catalogue = CatalogueRepository(database)
        self.changes = ChangeLog(database)
        self.vectors = VectorRepository(database)
        self.sessions = SessionRepository(database)
        self.events = EventRepository(database)
        self.runs = SyncRunRepository(database)

    @classmethod
    async def open(cls, url: str) -> Store:
        """Open sqlite:///FILE or postgresql://HOST/NAME and bring it to the present schema.

        Raises InvalidInput for a URL that is none, StoreUnavailable when the database cannot be reached, is no
        database, or was written by a newer Toolcrib.
        """
        database = Database(database_url(url))
        async with AsyncExitStack() as on_failure:
            on_failure.push_async_callback(database.close)
            await migrate(database)
            on_failure.pop_all()
        return cls(database)

    async def close(self) -> None:
        """Close every connection; the store cannot be used afterwards."""
        await self._database.close()

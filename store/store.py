"""The record of truth, opened by URL: one attribute per kind of record.

Refuses to know: MCP, HTTP, vector engines, who calls and why. Domain values go in and come out; rows stay inside.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

from store.catalogue import CatalogueRepository
from store.changes import ChangeLog
from store.credentials import CredentialRepository
from store.database import Database
from store.events import EventRepository
from store.generated import GeneratedRepository
from store.held_launches import HeldLaunchRepository
from store.held_tools import HeldToolRepository
from store.keyring import KEY_FILE, FileKeys, KeyRing, NoKeys
from store.leases import LeaseRepository
from store.log_rules import LogRulesRepository
from store.migrate import migrate
from store.notices import Notices
from store.overlays import OverlayRepository
from store.policies import PolicyRepository
from store.questions import QuestionRepository
from store.retention import Retention
from store.runs import SyncRunRepository
from store.sealing import Sealer
from store.secrets import Secrets
from store.servers import ServerRepository
from store.sessions import SessionRepository
from store.sync_requests import SyncRequestRepository
from store.url import database_url
from store.vectors import VectorRepository
from store.versions import VersionRepository


class Store:
    """Made by `open`. Every operation raises StoreUnavailable or StorageFull when the database does."""

    def __init__(self, database: Database, keys: KeyRing) -> None:
        sealer = Sealer(keys)
        self._database = database
        self.servers = ServerRepository(database, sealer)
        self.credentials = CredentialRepository(database, sealer)
        self.secrets = Secrets(database, sealer, self.servers)
        self.catalogue = CatalogueRepository(database)
        self.held_tools = HeldToolRepository(database)
        self.held_launches = HeldLaunchRepository(database, sealer)
        self.versions = VersionRepository(database)
        self.retention = Retention(database)
        self.overlays = OverlayRepository(database)
        self.questions = QuestionRepository(database)
        self.generated = GeneratedRepository(database)
        self.changes = ChangeLog(database)
        self.vectors = VectorRepository(database)
        self.sessions = SessionRepository(database)
        self.events = EventRepository(database)
        self.log_rules = LogRulesRepository(database)
        self.policies = PolicyRepository(database)
        self.runs = SyncRunRepository(database)
        self.leases = LeaseRepository(database)
        self.notices = Notices(database)
        self.sync_requests = SyncRequestRepository(database)

    @classmethod
    async def open(cls, url: str, keys: KeyRing | None = None) -> Store:
        """Open sqlite:///FILE or postgresql://HOST/NAME, bring it to the present schema, seal what is in the clear.

        `keys` seal credentials; by default they are in the file KEY_FILE beside SQLite's, and PostgreSQL has none.

        Raises InvalidInput for a URL that is none, StoreUnavailable when the database cannot be reached, is no
        database, or was written by a newer Toolcrib; SecretsUnavailable when a key of its credentials is missing.
        """
        database = Database(where := database_url(url))
        if keys is None:
            keys = FileKeys(Path(str(where.database)).with_name(KEY_FILE)) if database.is_sqlite else NoKeys()
        store = cls(database, keys)
        async with AsyncExitStack() as on_failure:
            on_failure.push_async_callback(database.close)
            await migrate(database)
            await store.secrets.check()
            await store.secrets.seal_plain()
            on_failure.pop_all()
        return store

    @property
    def is_shared(self) -> bool:
        """Whether other gateways may have it open too: a SQLite file has one owner, that of its folder."""
        return not self._database.is_sqlite

    async def close(self) -> None:
        """Close every connection; the store cannot be used afterwards."""
        await self._database.close()

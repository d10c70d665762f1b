"""OAuth credentials of upstream servers, sealed: one value per tenant and server, with a meaning known elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import delete, select

from store.database import Database
from store.sealing import Sealer
from store.tables import CREDENTIALS

PURPOSE = "oauth"
"""What these sealed values are for, as the sealer's context says it."""


class CredentialRepository:
    """Fits the port `CredentialStore` of the servers' room without knowing it."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    async def load(self, tenant: str, server: str) -> Mapping[str, Any] | None:
        """What was saved last, or None. Raises SecretsUnavailable."""
        query = select(CREDENTIALS.c.sealed).where(CREDENTIALS.c.tenant == tenant, CREDENTIALS.c.server == server)
        found = await self._database.rows(query)
        if not found:
            return None
        value: Mapping[str, Any] = self._sealer.open(found[0].sealed, PURPOSE, tenant, server)
        return value

    async def save(self, tenant: str, server: str, value: Mapping[str, Any]) -> None:
        """Replace what is known. Raises SecretsUnavailable."""
        sealed = self._sealer.seal(dict(value), PURPOSE, tenant, server)
        insert = self._database.insert(CREDENTIALS).values(tenant=tenant, server=server, sealed=sealed)
        upsert = insert.on_conflict_do_update(
            index_elements=[CREDENTIALS.c.tenant, CREDENTIALS.c.server], set_={"sealed": sealed}
        )
        await self._database.transaction(lambda connection: connection.execute(upsert))

    async def forget(self, tenant: str, server: str) -> None:
        """Delete what is known; nothing known is fine."""
        gone = delete(CREDENTIALS).where(CREDENTIALS.c.tenant == tenant, CREDENTIALS.c.server == server)
        await self._database.transaction(lambda connection: connection.execute(gone))

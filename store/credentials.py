"""OAuth credentials of upstream servers, sealed: one value per tenant and server, with a meaning known elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import delete, select

from domain.errors import SecretsUnavailable, ToolcribError
from store.batches import Batches
from store.database import Database, by_tenant, chunks
from store.sealing import Sealer
from store.tables import CREDENTIALS

PURPOSE = "oauth"
"""What these sealed values are for, as the sealer's context says it."""


class CredentialRepository:
    """Fits the port `CredentialStore` of the servers' room without knowing it."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer
        self._loads: Batches[tuple[str, str], Mapping[str, Any] | None] = database.batches(self._load_many)

    async def load(self, tenant: str, server: str) -> Mapping[str, Any] | None:
        """What was saved last, or None. Raises SecretsUnavailable."""
        return await self._loads.do((tenant, server))

    async def _load_many(self, keys: Sequence[tuple[str, str]]) -> Sequence[Mapping[str, Any] | ToolcribError | None]:
        sealed: dict[tuple[str, str], Any] = {}
        for tenant, servers in by_tenant(keys).items():
            for chunk in chunks(servers):
                query = select(CREDENTIALS.c.server, CREDENTIALS.c.sealed)
                query = query.where(CREDENTIALS.c.tenant == tenant, CREDENTIALS.c.server.in_(chunk))
                sealed |= {(tenant, row.server): row.sealed for row in await self._database.rows(query)}
        return [self._opened(*key, sealed[key]) if key in sealed else None for key in keys]

    def _opened(self, tenant: str, server: str, sealed: Any) -> Mapping[str, Any] | ToolcribError:
        try:
            value: Mapping[str, Any] = self._sealer.open(sealed, PURPOSE, tenant, server)
        except SecretsUnavailable as error:
            return error
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

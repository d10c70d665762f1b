"""Tools that nobody vouches for now, for the cap per server: those whose server lists another version with a warning.

Such a tool goes on serving the version that was approved, while a person looks at the new one (docs/sync.md); until
then its server gets few places among an answer. Read in the background, asked without waiting.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from domain.errors import Unavailable
from domain.review import HeldStatus
from store.store import Store

logger = logging.getLogger(__name__)

REFRESH_S = 15.0


class FlaggedTools:
    """One per process; `index.server_cap.Bound`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._flagged: dict[str, frozenset[str]] = {}

    async def bound(self, tenant: str, tool_ids: Sequence[str], /) -> AbstractSet[str]:
        """As it was when reviews were last read."""
        return self._flagged.get(tenant, frozenset()).intersection(tool_ids)

    async def run(self) -> None:
        """Read on, until cancelled. A store that is away leaves everything as it was."""
        while True:
            try:
                await self.read()
            except Unavailable as error:
                logger.warning("Which tools are flagged was not read: %s", error.message)
            await asyncio.sleep(REFRESH_S)

    async def read(self) -> None:
        """Look at every review that waits. Raises StoreUnavailable."""
        for tenant in {server.tenant for server in await self._store.servers.everywhere()}:
            self._flagged[tenant] = frozenset(
                change.tool.tool_id
                for change in await self._store.held_tools.list(tenant)
                if change.warnings and change.status is HeldStatus.WAITING
            )

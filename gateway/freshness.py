"""How fresh an answer is: when each server was last verified, and which versions are in force."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from domain.events import Versions

OnChange = Callable[[], Awaitable[None]]


class Freshness:
    """Kept in memory by the sync engine's reports, so that a search reads it without a query."""

    def __init__(self, index_version: Callable[[], str]) -> None:
        self._index_version = index_version
        self._verified: dict[tuple[str, str], float] = {}
        self._catalogue = 0
        self._listeners: list[OnChange] = []

    def verified(self, tenant: str, server: str, at: float) -> None:
        """The server's full listing was compared at `at` (epoch seconds)."""
        self._verified[tenant, server] = at

    def catalogue_at(self, change: int) -> None:
        """The change log has reached this number."""
        self._catalogue = max(self._catalogue, change)

    def on_catalogue_change(self, listener: OnChange) -> None:
        """Await `listener` whenever some server's catalogue has changed."""
        self._listeners.append(listener)

    async def catalogue_changed(self, change: int) -> None:
        """A sync changed the catalogue, whose change log now ends at `change`."""
        self.catalogue_at(change)
        for listener in self._listeners:
            await listener()

    def last_verified(self, tenant: str, server: str) -> float | None:
        return self._verified.get((tenant, server))

    def versions(self) -> Versions:
        return Versions(catalogue=str(self._catalogue), index=self._index_version(), policy="retrieval")

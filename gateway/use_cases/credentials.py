"""Credentials of upstream servers: new keys for what is sealed."""

from __future__ import annotations

from domain.errors import Forbidden
from domain.identity import Principal
from store.store import Store


class Credentials:
    """Everything here takes the admin role."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def rotate(self, principal: Principal) -> int:
        """Seal every credential anew under a new key, and return how many there were. Raises SecretsUnavailable."""
        _require_admin(principal)
        return await self._store.secrets.rotate()


def _require_admin(principal: Principal) -> None:
    if not principal.is_admin:
        raise Forbidden("Credentials take the admin role; ask an admin of this Toolcrib.")

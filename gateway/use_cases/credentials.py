"""Credentials of upstream servers: authorizations that people give, and new keys for what is sealed."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from domain.errors import Conflict, Forbidden
from domain.identity import Principal
from domain.servers import UpstreamServer
from servers.oauth.authorizer import Authorizer
from servers.ports import Pool
from store.store import Store


class Credentials:
    """Everything here takes the admin role."""

    def __init__(
        self, store: Store, authorizer: Authorizer, pool: Pool, on_authorized: Callable[[str, str], None]
    ) -> None:
        self._store = store
        self._authorizer = authorizer
        self._pool = pool
        self._on_authorized = on_authorized

    async def rotate(self, principal: Principal) -> int:
        """Seal every credential anew under a new key, and return how many there were. Raises SecretsUnavailable."""
        _require_admin(principal)
        return await self._store.secrets.rotate()

    async def use_client(self, principal: Principal, name: str, client_id: str, client_secret: str | None) -> str:
        """Take an OAuth client that was registered by hand; the issuer it belongs to.

        Raises ServerNotFound, AuthorizationFailed.
        """
        _require_admin(principal)
        server = await self._store.servers.get(principal.tenant, name)
        authority = await self._authorizer.use_client(server, client_id, client_secret)
        await self._pool.drop(server.tenant, server.slug)
        return authority.issuer

    async def authorize(self, principal: Principal, slug: str) -> str:
        """The address of the authorization server where this person allows us to use a server.

        Raises ServerNotFound, AuthorizationFailed.
        """
        _require_admin(principal)
        server = await self._store.servers.get(principal.tenant, slug)
        return await self._authorizer.begin(server, principal.subject)

    async def deauthorize(self, principal: Principal, name: str) -> bool:
        """Forget the authorization of a server; whether its authorization server has forgotten it as well.

        Raises ServerNotFound.
        """
        _require_admin(principal)
        server = await self._store.servers.get(principal.tenant, name)
        revoked = await self._authorizer.revoke(server)
        await self._pool.drop(server.tenant, server.slug)
        return revoked

    async def authorized(self, principal: Principal, answer: Mapping[str, str]) -> UpstreamServer:
        """Take the answer of an authorization server; the server is used with it from here on.

        Raises InvalidInput, Forbidden, AuthorizationFailed, Conflict.
        """
        _require_admin(principal)
        server = await self._authorizer.complete(principal.subject, principal.tenant, answer)
        present = await self._store.servers.get(server.tenant, server.slug)
        if present.launch != server.launch:
            await self._authorizer.forget(server.tenant, server.slug)
            raise Conflict(f"Server {server.slug!r} was changed meanwhile; authorize it again.")
        await self._pool.drop(server.tenant, server.slug)
        self._on_authorized(server.tenant, server.slug)
        return server


def _require_admin(principal: Principal) -> None:
    if not principal.is_admin:
        raise Forbidden("Credentials take the admin role; ask an admin of this Toolcrib.")

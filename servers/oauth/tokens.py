"""The tokens of each server: kept sealed, refreshed before they end, by one request for all who wait.

Refuses to know: people, links, and what a refusal means.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from mcp.shared.auth_utils import check_resource_allowed, resource_url_from_server_url

from domain.servers import Transport, UpstreamServer
from servers.access import has_own_authorization
from servers.egress import Egress
from servers.oauth.credential import Credential, CredentialStore, Tokens, received
from servers.oauth.fetching import Fetcher, ServerSilent
from servers.oauth.grants import GrantRefused, grant

Key = tuple[str, str]
_UNREAD = object()


class TokenKeeper:
    """By tenant and slug. A refresh is never cancelled by those who wait: a refresh token may serve only once."""

    def __init__(
        self, store: CredentialStore, clock: Callable[[], float], egress: Callable[[UpstreamServer], Egress]
    ) -> None:
        self._store = store
        self._clock = clock
        self._egress = egress
        self._known: dict[Key, Credential | None] = {}
        self._refreshing: dict[Key, asyncio.Task[None]] = {}

    async def tokens(self, server: UpstreamServer) -> Tokens | None:
        """What is known now, be it old."""
        credential = await self.credential(server)
        return None if credential is None else credential.tokens

    async def bearer(self, server: UpstreamServer) -> str | None:
        """An access token that is good for now. Raises ServerSilent when it ended and cannot be refreshed now."""
        if self._known.get((server.tenant, server.slug), _UNREAD) is None:
            return None  # of most servers, on the way of every call
        tokens, now = await self.tokens(server), self._clock()
        if tokens is None:
            return None
        if tokens.refresh and tokens.refresh_at is not None and now >= tokens.refresh_at:
            try:
                await self.refresh(server)
            except ServerSilent:
                if tokens.expires_at is not None and now >= tokens.expires_at:
                    raise
            tokens = await self.tokens(server)
        return None if tokens is None else tokens.access

    async def forget(self, tenant: str, slug: str) -> None:
        """Also what a refresh under way brings."""
        if (refreshing := self._refreshing.get((tenant, slug))) is not None:
            await asyncio.wait({refreshing})
        self._known.pop((tenant, slug), None)
        await self._store.forget(tenant, slug)

    async def aclose(self) -> None:
        """Wait for the refreshes under way: what they bring is kept."""
        await asyncio.gather(*self._refreshing.values(), return_exceptions=True)

    async def credential(self, server: UpstreamServer) -> Credential | None:
        """What is known for this server at this address; tokens of another resource are not its business."""
        if not concerns_oauth(server):
            return None
        key = (server.tenant, server.slug)
        if key not in self._known:
            stored = await self._store.load(*key)
            self._known[key] = None if stored is None else Credential.from_json(stored)
        credential = self._known[key]
        if credential is None:
            return None
        url = resource_url_from_server_url(server.launch.url or "")
        return credential if check_resource_allowed(url, credential.resource) else None

    async def keep(self, server: UpstreamServer, credential: Credential) -> None:
        await self._store.save(server.tenant, server.slug, credential.to_json())
        self._known[server.tenant, server.slug] = credential

    async def refresh(self, server: UpstreamServer) -> None:
        """One refresh for all who wait, finished even when they give up. Raises ServerSilent."""
        key = (server.tenant, server.slug)
        task = self._refreshing.get(key)
        if task is None:
            task = asyncio.create_task(self._refresh(server), name=f"refresh-{server.slug}")
            self._refreshing[key] = task
            task.add_done_callback(lambda _: self._refreshing.pop(key, None))
        await asyncio.shield(task)

    async def _refresh(self, server: UpstreamServer) -> None:
        credential = await self.credential(server)
        if credential is None or credential.tokens is None or credential.tokens.refresh is None:
            return
        before = credential.tokens
        form = {"grant_type": "refresh_token", "refresh_token": before.refresh or "", "resource": credential.resource}
        try:
            async with Fetcher(server, self._egress(server)) as fetcher:
                token = await grant(fetcher, credential.token_endpoint, credential.client, form)
        except GrantRefused:
            self._known.pop((server.tenant, server.slug), None)
            stored = await self.credential(server)
            if stored is not None and stored.tokens == before:  # else another process refreshed it, and that one counts
                await self.keep(server, credential.without_tokens())
            return
        tokens = received(token, self._clock(), before.scope, before)
        await self.keep(server, replace(credential, tokens=tokens))


def concerns_oauth(server: UpstreamServer) -> bool:
    """Whether OAuth may speak for it: over HTTP, and no operator gave it an Authorization header."""
    return server.launch.transport is not Transport.STDIO and not has_own_authorization(server)

"""Registering, inspecting, changing and removing upstream servers."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from domain.errors import Forbidden, NameTaken, Unavailable
from domain.identity import Principal
from domain.names import slug_for
from domain.servers import Launch, ReviewPolicy, ServerHealth, ServerStatus, Sharing, UpstreamServer
from gateway.freshness import Freshness
from gateway.use_cases.catalogue import CatalogueReader
from servers.egress import leads_inside
from servers.oauth.authorizer import Authorizer
from servers.ports import Pool
from store.store import Store
from sync.indexer import Indexer


@dataclass(frozen=True, slots=True)
class ServerView:
    """A server with its health and the size of its catalogue."""

    server: UpstreamServer
    health: ServerHealth
    tools: int
    last_verified: float | None
    waiting: int = 0  # changes of its tools that wait for a review
    launch_waiting: bool = False


class Servers:
    """The server registry. Changing it takes the admin role."""

    def __init__(
        self,
        store: Store,
        pool: Pool,
        authorizer: Authorizer,
        indexer: Indexer,
        catalogue: CatalogueReader,
        freshness: Freshness,
    ) -> None:
        self._store = store
        self._authorizer = authorizer
        self._pool = pool
        self._indexer = indexer
        self._catalogue = catalogue
        self._freshness = freshness

    async def add(
        self,
        principal: Principal,
        title: str,
        launch: Launch,
        *,
        trusted: bool = False,
        sharing: Sharing = Sharing.AUTO,
        review: ReviewPolicy = ReviewPolicy.ACCEPT,
    ) -> UpstreamServer:
        """Register a server under a slug made from its title. Raises Forbidden, NameTaken."""
        _require_admin(principal)
        known = await self._store.servers.list(principal.tenant)
        if any(server.title == title for server in known):
            raise NameTaken(f"A server named {title!r} is registered already; remove it first or choose another name.")
        slug = slug_for(title, {server.slug for server in known})
        inside = launch.url is not None and await leads_inside(launch.url)
        server = UpstreamServer(
            principal.tenant, slug, title, launch, trusted=trusted, allow_private=inside, sharing=sharing, review=review
        )
        await self._store.servers.add(server)
        self._catalogue.forget(server.tenant, server.slug)
        return server

    async def show(self, principal: Principal, name: str) -> ServerView:
        """Raises ServerNotFound. `name` is the slug or the title."""
        server = await self.resolve(principal, name)
        views = await self._views(principal.tenant, [server])
        return views[0]

    async def listing(self, principal: Principal) -> Sequence[ServerView]:
        return await self._views(principal.tenant, await self._store.servers.list(principal.tenant))

    async def resolve(self, principal: Principal, name: str) -> UpstreamServer:
        """A server by slug or title. Raises ServerNotFound."""
        servers = await self._store.servers.list(principal.tenant)
        for server in sorted(servers, key=lambda server: server.slug != name):  # a title never hides a slug
            if name in {server.slug, server.title}:
                return server
        return await self._store.servers.get(principal.tenant, name)

    async def enable(self, principal: Principal, name: str, *, enabled: bool) -> UpstreamServer:
        """Switch a server on or off; its tools stay searchable, a disabled server is neither synced nor called."""
        server = await self._change(principal, name, enabled=enabled)
        if not enabled:
            await self._pool.drop(server.tenant, server.slug)
        return server

    async def trust(self, principal: Principal, name: str, *, trusted: bool) -> UpstreamServer:
        """Rely on what a server says about its tools, or stop to: decides which failed calls may be repeated."""
        return await self._change(principal, name, trusted=trusted)

    async def share(self, principal: Principal, name: str, sharing: Sharing) -> UpstreamServer:
        """Say which calls meet the same state at a server; it is connected to anew."""
        return await self._change(principal, name, sharing=sharing)

    async def review(self, principal: Principal, name: str, *, policy: ReviewPolicy) -> UpstreamServer:
        """Which changes of a server's tools wait from now on. What a stricter one held is judged by the next sync."""
        return await self._change(principal, name, review=policy)

    async def remove(self, principal: Principal, name: str) -> None:
        """Forget a server and its tools. Its history stays in the event log."""
        _require_admin(principal)
        server = await self.resolve(principal, name)
        await self._store.servers.remove(server.tenant, server.slug)
        await self._authorizer.forget(server.tenant, server.slug)
        await self._pool.drop(server.tenant, server.slug)
        self._catalogue.forget(server.tenant, server.slug)
        self._indexer.wake()
        with contextlib.suppress(Unavailable):  # removed it is; the index follows when it can
            await self._indexer.drain()
        await self._freshness.catalogue_changed(await self._store.changes.head())

    async def _change(self, principal: Principal, name: str, **settings: Any) -> UpstreamServer:
        _require_admin(principal)
        server = replace(await self.resolve(principal, name), **settings)
        await self._store.servers.update(server)
        self._catalogue.forget(server.tenant, server.slug)
        return server

    def _health(self, server: UpstreamServer) -> ServerHealth:
        if server.unreadable is not None:
            return ServerHealth(ServerStatus.FAILED, error=server.unreadable)
        return self._pool.health(server.tenant, server.slug) if server.enabled else ServerHealth(ServerStatus.DISABLED)

    async def _views(self, tenant: str, servers: Sequence[UpstreamServer]) -> list[ServerView]:
        counts = await self._store.catalogue.counts(tenant)
        verified = await self._store.runs.last_success(tenant)
        waiting = await self._store.held_tools.waiting(tenant)
        launches = await self._store.held_launches.servers(tenant)
        return [
            ServerView(
                server,
                self._health(server),
                counts[server.slug].active if server.slug in counts else 0,
                verified.get(server.slug),
                waiting.get(server.slug, 0),
                server.slug in launches,
            )
            for server in servers
        ]


def _require_admin(principal: Principal) -> None:
    if not principal.is_admin:
        raise Forbidden("Changing servers takes the admin role; ask an admin of this Toolcrib.")

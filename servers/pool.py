"""Every upstream server, by tenant and slug: lists, calls, health. The fake beside it is `servers/fake.py`.

Refuses to know: the catalogue, sessions, policies, and who is asking.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from mcp_types import HEADER_MISMATCH

from domain.errors import AuthorizationNeeded, UpstreamRefused, UpstreamTimeout
from domain.servers import ServerHealth, ServerStatus, UpstreamServer
from servers.catalogue import collect
from servers.failures import message_too_large
from servers.lanes import EVERYBODY, Owner
from servers.large_results.oversized import claimed, parsed
from servers.limits import Limits
from servers.listing import Listing
from servers.manner import AnyConnection
from servers.negotiation import Peer
from servers.ports import CallResult, OnListChanged
from servers.requests import RawRequest
from servers.sendable import require_json
from servers.upstream import Upstream

T = TypeVar("T")

NEEDS_INPUT = -32021
"""MissingRequiredClientCapability: what a tool answers that needs something its client did not offer."""


def _ignore(_tenant: str, _slug: str) -> None:
    """Nobody asked to be told."""


class ServerPool:
    """The real pool. Make it inside a running event loop, and close it there."""

    def __init__(self, limits: Limits | None = None, on_list_changed: OnListChanged = _ignore) -> None:
        self._limits = limits or Limits()
        self._on_list_changed = on_list_changed
        self._upstreams: dict[tuple[str, str], Upstream] = {}
        self._leaving: set[asyncio.Task[None]] = set()

    async def list_tools(self, server: UpstreamServer) -> Listing:
        """See `servers.ports.Pool`."""
        return await self._upstream(server).listing.run(partial(self._list_alone, server))

    async def call(
        self,
        server: UpstreamServer,
        name: str,
        arguments: Mapping[str, Any],
        *,
        timeout_s: float | None = None,
        repeatable: bool = False,
        owner: Owner = EVERYBODY,
    ) -> CallResult:
        """See `servers.ports.Pool`."""
        params: dict[str, Any] = {"name": name, "arguments": dict(arguments)}
        require_json(params, f"The arguments of {name!r}")
        seconds = self._limits.deadlines.call_s if timeout_s is None else timeout_s

        async def work(upstream: Upstream) -> dict[str, Any]:
            call = partial(self._call, upstream, params)
            return await upstream.on_connection(call, repeatable=repeatable, owner=owner)

        raw = await self._in_turn(self._upstream(server), seconds, f"answer the call of {name!r}", work)
        if (large := claimed(self._limits.spool, raw)) is not None:
            if large.size > self._limits.caps.message_bytes:
                return CallResult({}, large)
            raw = parsed(large, server)
        if raw.get("resultType") == "input_required":
            raise UpstreamRefused(
                f"Tool {name!r} of server {server.slug!r} asks for input from a person or a model in the middle of "
                "the call, which is not passed on yet; give it everything it needs in its arguments.",
                rpc_code=NEEDS_INPUT,
            )
        return CallResult(raw)

    def health(self, tenant: str, slug: str) -> ServerHealth:
        """See `servers.ports.Pool`."""
        upstream = self._upstreams.get((tenant, slug))
        health = ServerHealth(ServerStatus.IDLE) if upstream is None else upstream.health
        link = self._limits.access.link(tenant, slug)
        if link is None:
            return health
        error = health.error or AuthorizationNeeded().message
        return replace(health, status=ServerStatus.NEEDS_AUTHORIZATION, error=error, authorize_url=link)

    def stderr(self, tenant: str, slug: str) -> str:
        """See `servers.ports.Pool`."""
        upstream = self._upstreams.get((tenant, slug))
        return "" if upstream is None else upstream.stderr

    async def drop(self, tenant: str, slug: str) -> None:
        """See `servers.ports.Pool`."""
        upstream = self._upstreams.pop((tenant, slug), None)
        if upstream is not None:
            await upstream.close()

    async def aclose(self) -> None:
        """See `servers.ports.Pool`."""
        upstreams = list(self._upstreams.values())
        self._upstreams.clear()
        await asyncio.gather(*(upstream.close() for upstream in upstreams), *self._leaving)
        self._limits.idle_sockets.close()

    async def _in_turn(
        self,
        upstream: Upstream,
        seconds: float,
        doing: str,
        work: Callable[[Upstream], Awaitable[T]],
        *,
        urgent: bool = False,
    ) -> T:
        """Do `work` with a place at the server, within one deadline for waiting, connecting and working."""
        upstream.breaker.refuse(urgent=urgent)
        try:
            async with asyncio.timeout(seconds), upstream.bulkhead.place():
                return await work(upstream)
        except TimeoutError:
            late = UpstreamTimeout(
                f"Server {upstream.server.slug!r} did not {doing} within {seconds:g} s, so the request was cancelled; "
                "try again, or allow more time."
            )
            upstream.timed_out(late, seconds)
            raise late from None

    def _upstream(self, server: UpstreamServer) -> Upstream:
        """The one for this launch. Another launch under the same name replaces it: settings are never mixed."""
        key = (server.tenant, server.slug)
        known = self._upstreams.get(key)
        if known is not None and (known.given is server or _settings(known.server) == _settings(server)):
            known.given = server  # the same object for many calls, which compares in no time
            return known
        if known is not None:
            leaving = asyncio.create_task(known.close())
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)
        upstream = Upstream(server, self._limits, partial(self._on_list_changed, *key))
        self._upstreams[key] = upstream
        return upstream

    async def _list_alone(self, server: UpstreamServer) -> Listing:
        """Listings are rare by themselves, and a person may wait for one: they do not wait for a circuit to close."""
        seconds = self._limits.deadlines.list_s

        async def work(upstream: Upstream) -> Listing:
            return await upstream.on_connection(partial(self._list, upstream), repeatable=True, urgent=True)

        return await self._in_turn(self._upstream(server), seconds, "list its tools", work, urgent=True)

    async def _list(self, upstream: Upstream, connection: AnyConnection, peer: Peer) -> Listing:
        async def fetch(cursor: str | None) -> dict[str, Any]:
            page = await connection.request(RawRequest("tools/list", {} if cursor is None else {"cursor": cursor}))
            if (large := claimed(self._limits.spool, page)) is not None:
                large.file.drop()
                raise message_too_large(upstream.server, self._limits.caps.message_bytes, "it is a list")
            return page

        listing = await collect(upstream.server, peer, self._limits.caps, fetch, upstream.listed)
        if listing.digest == "" or upstream.listed is None or listing.digest != upstream.listed.digest:
            upstream.mirrored = dict(listing.mirrored)
            upstream.listed = replace(listing, documents=())  # they are the catalogue's to keep
        return listing

    async def _call(
        self, upstream: Upstream, params: Mapping[str, Any], connection: AnyConnection, peer: Peer
    ) -> dict[str, Any]:
        try:
            return await connection.request(RawRequest("tools/call", params, upstream.mirrored.get(params["name"])))
        except UpstreamRefused as refusal:
            if refusal.rpc_code != HEADER_MISMATCH:
                raise
            # The headers its schema wants mirrored are unknown or stale; the server executed nothing.
            await self._list(upstream, connection, peer)
            return await connection.request(RawRequest("tools/call", params, upstream.mirrored.get(params["name"])))


def _settings(server: UpstreamServer) -> tuple[object, ...]:
    return server.launch, server.title, server.sharing

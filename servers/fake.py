"""A pool without servers, for the tests of whoever uses one. It passes the contract tests of the real pool."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mcp_types import INVALID_PARAMS

from domain.errors import ToolcribError, UpstreamRefused, UpstreamTimeout
from domain.servers import ServerHealth, ServerStatus, UpstreamServer
from servers.catalogue import collect
from servers.limits import Limits
from servers.listing import Listing
from servers.negotiation import Era, Peer
from servers.ports import CallResult, OnListChanged
from servers.sendable import require_json

Handler = Callable[[Mapping[str, Any]], Awaitable[Mapping[str, Any]]]
"""Arguments -> a CallToolResult as JSON."""

PROTOCOL_VERSION = "2026-07-28"


def text_result(text: str, *, is_error: bool = False) -> dict[str, Any]:
    """A CallToolResult with one text."""
    return {"content": [{"type": "text", "text": text}], "isError": is_error}


@dataclass(slots=True)
class FakeUpstream:
    """What a made-up server lists and answers. Change it at any time; `down` makes every request fail with it."""

    tools: Sequence[Mapping[str, Any]] = ()
    handlers: Mapping[str, Handler] = field(default_factory=dict)
    down: ToolcribError | None = None
    stderr: str = ""
    listed: int = 0  # how many listings were answered
    calls: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)  # what was called, in order
    owners: list[Hashable] = field(default_factory=list)  # whose calls those were


class FakePool:
    """Keyed like the real pool. A server that was not put in `upstreams` has no tools."""

    def __init__(
        self,
        upstreams: Mapping[tuple[str, str], FakeUpstream] | None = None,
        *,
        limits: Limits | None = None,
        on_list_changed: OnListChanged = lambda _tenant, _slug: None,
    ) -> None:
        self.upstreams = dict(upstreams or {})
        self.dropped: list[tuple[str, str]] = []
        self.closed = False
        self._limits = limits or Limits()
        self._on_list_changed = on_list_changed
        self._health: dict[tuple[str, str], ServerHealth] = {}

    async def list_tools(self, server: UpstreamServer) -> Listing:
        """See `servers.ports.Pool`."""
        upstream = self._reach(server)
        peer = Peer(Era.MODERN, PROTOCOL_VERSION, "fake", "0", None, has_tools=True, announces_changes=True)

        async def fetch(_cursor: str | None) -> Mapping[str, Any]:
            return {"tools": [dict(tool) for tool in upstream.tools]}

        listing = await collect(server, peer, self._limits.caps, fetch)
        upstream.listed += 1
        return listing

    async def call(
        self,
        server: UpstreamServer,
        name: str,
        arguments: Mapping[str, Any],
        *,
        timeout_s: float | None = None,
        repeatable: bool = False,  # noqa: ARG002 - the port has it; a fake connection does not break
        owner: Hashable = "",
    ) -> CallResult:
        """See `servers.ports.Pool`."""
        require_json({"name": name, "arguments": dict(arguments)}, f"The arguments of {name!r}")
        upstream = self._reach(server)
        handler = upstream.handlers.get(name)
        if handler is None:
            raise UpstreamRefused(
                f"Server {server.slug!r} refused tools/call: Unknown tool: {name} (error {INVALID_PARAMS}); "
                "check the tool's name and arguments.",
                rpc_code=INVALID_PARAMS,
            )
        upstream.calls.append((name, arguments))
        upstream.owners.append(owner)
        try:
            async with asyncio.timeout(self._limits.deadlines.call_s if timeout_s is None else timeout_s):
                return CallResult(await handler(arguments))
        except TimeoutError:
            raise UpstreamTimeout(
                f"Server {server.slug!r} did not answer the call of {name!r} in time, so the request was cancelled; "
                "try again, or allow more time."
            ) from None

    def health(self, tenant: str, slug: str) -> ServerHealth:
        """See `servers.ports.Pool`."""
        return self._health.get((tenant, slug), ServerHealth(ServerStatus.IDLE))

    def stderr(self, tenant: str, slug: str) -> str:
        """See `servers.ports.Pool`."""
        upstream = self.upstreams.get((tenant, slug))
        return "" if upstream is None else upstream.stderr

    def announce_change(self, tenant: str, slug: str) -> None:
        """Say what a server says when its tools changed."""
        self._on_list_changed(tenant, slug)

    async def drop(self, tenant: str, slug: str) -> None:
        """See `servers.ports.Pool`."""
        self.dropped.append((tenant, slug))
        self._health.pop((tenant, slug), None)

    async def aclose(self) -> None:
        """See `servers.ports.Pool`."""
        self.closed = True
        self._health.clear()

    def _reach(self, server: UpstreamServer) -> FakeUpstream:
        key = (server.tenant, server.slug)
        upstream = self.upstreams.setdefault(key, FakeUpstream())
        if upstream.down is not None:
            self._health[key] = ServerHealth(ServerStatus.FAILED, upstream.down.message)
            raise upstream.down
        self._health[key] = ServerHealth(
            ServerStatus.READY, protocol_version=PROTOCOL_VERSION, server_name="fake", server_version="0"
        )
        return upstream

"""Every relay connection to one server: one shared by all clients where requests stand alone, one a session elsewhere.

Refuses to know: HTTP, JSON-RPC ids, what clients do with what they hear.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

from mcp import MCPError
from mcp.shared.inbound import find_invalid_x_mcp_header, x_mcp_header_map
from mcp_types import METHOD_NOT_FOUND

from domain.errors import Overloaded, UpstreamError, UpstreamProtocolError, UpstreamTimeout, UpstreamUnreachable
from domain.servers import Circuit, UpstreamServer
from servers.failures import Unwilling
from servers.limits import Limits
from servers.negotiation import Era
from servers.relay.connection import RelayConnection
from servers.relay.exchange import Notice, Question
from servers.relay.hello import Hello
from servers.requests import HeaderMap
from servers.resilience.bulkhead import Bulkhead
from servers.upstream import breaker_of

Hears = Callable[[Notice], None]
Asks = Callable[[Question], None]
_MOST_LINKS = 256


class RelayLink:
    """A connection that is opened when it is needed, and again after it ended."""

    def __init__(self, relays: Relays, hello: Hello, era: Era | None) -> None:
        self.listeners: set[Hears] = set()
        self.asker: Asks | None = None
        self.lasting = False  # a session's: closed with it, never for idleness
        self.log_level: str | None = None  # last set in the handshake era's way
        self._relays = relays
        self._hello = hello
        self._era = era
        self._connection: RelayConnection | None = None
        self._closings: set[asyncio.Task[None]] = set()
        self._idle: asyncio.TimerHandle | None = None

    async def open(self) -> RelayConnection:
        """Raises UpstreamError; CircuitOpen at once while the server is left alone."""
        connection = self._connection
        if connection is None or connection.ended:
            connection = await self._make()
        peer = await connection.ready()
        self._era = peer.era
        self._watch_idleness()
        return connection

    async def _make(self) -> RelayConnection:
        """A new connection; its first user tells the breaker how that went."""
        breaker = self._relays.breaker
        trying = breaker.admit()
        self.log_level = None
        relays = self._relays
        connection = RelayConnection(relays.server, relays.limits, self._hello, self._apart, self._era)
        self._connection = connection
        try:
            await connection.ready()
        except (UpstreamUnreachable, UpstreamTimeout) as error:
            if not isinstance(error, Unwilling):
                breaker.failed(error, trying=trying)
            raise
        else:
            breaker.succeeded()
        finally:
            if trying and breaker.circuit is Circuit.HALF_OPEN:
                breaker.gave_no_verdict()
        return connection

    def replace(self, connection: RelayConnection) -> None:
        """The server forgot it: the next `open` makes another."""
        if self._connection is connection:
            self._connection = None
            closing = asyncio.create_task(connection.close())
            self._closings.add(closing)
            closing.add_done_callback(self._closings.discard)

    async def close(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()
        await asyncio.gather(*self._closings)

    def _apart(self, event: Notice | Question) -> None:
        if isinstance(event, Notice):
            if event.method == "notifications/tools/list_changed":
                self._relays.listed = False
            for listener in list(self.listeners):
                listener(event)
        elif self.asker is not None:
            self.asker(event)
        else:
            event.refuse(MCPError(METHOD_NOT_FOUND, "There is no client to ask between two requests"))

    def _watch_idleness(self) -> None:
        if self.lasting:
            return
        if self._idle is not None:
            self._idle.cancel()
        self._idle = asyncio.get_running_loop().call_later(self._relays.limits.deadlines.idle_s, self._on_idle)

    def _on_idle(self) -> None:
        connection = self._connection
        if connection is None:
            return
        if connection.exchanges or self.listeners:
            self._watch_idleness()
        else:
            self.replace(connection)


class Relays:
    """The links of one server, and what all of them learnt about it."""

    def __init__(self, server: UpstreamServer, limits: Limits, era: Era | None = None) -> None:
        self.server = server
        self.limits = limits
        self.bulkhead = Bulkhead(server.slug, limits.caps)
        self.breaker = breaker_of(server, limits)
        self.schemas: dict[str, Any] = {}  # tool -> inputSchema, as listed last
        self.listed = False  # whether `schemas` is a whole listing
        self._era = era
        self._handshakes = True  # until it refused one
        self._links: dict[str, RelayLink] = {}
        self._sessions: set[RelayLink] = set()
        self._finding_out = asyncio.Lock()

    async def shared(self, hello: Hello) -> RelayLink:
        """For a client without a session: the one link of a server whose requests stand alone, else one for all
        clients that declare the same capabilities. Raises UpstreamError, Overloaded.
        """
        async with self._finding_out:
            link = self._link("" if self._era is Era.MODERN else _key(hello), hello)
        connection = await link.open()
        era = connection.peer.era if connection.peer is not None else None
        if era is Era.MODERN and self._era is not Era.MODERN:
            self._links.setdefault("", link)
        self._era = era
        return link

    async def of_session(self, hello: Hello) -> RelayLink:
        """For a client that began with a handshake: a link of its own in that era, given back by `release`; the shared
        one where the server knows no handshake. Raises UpstreamError, Overloaded.

        A server of both eras is met in its client's own: nothing has to be translated then.
        """
        if self._handshakes:
            if len(self._sessions) >= _MOST_LINKS:
                raise Overloaded(f"Server {self.server.slug!r} has {_MOST_LINKS} sessions already.", retry_after_s=30.0)
            link = RelayLink(self, hello, Era.HANDSHAKE)
            link.lasting = True
            self._sessions.add(link)
            refusal = await self._refusal_of(link)
            if refusal is None:
                return link
            await self.release(link)
        else:
            refusal = None
        shared = await self.shared(hello)
        if self._era is not Era.MODERN and refusal is not None:
            raise refusal
        self._handshakes = False
        return shared

    async def _refusal_of(self, link: RelayLink) -> UpstreamError | None:
        """Why the server takes no handshake, None when it does. Raises UpstreamError when it was not reached."""
        try:
            connection = await link.open()
        except UpstreamProtocolError as error:
            return error
        except UpstreamError:
            await self.release(link)
            raise
        if connection.peer is not None and connection.peer.era is Era.HANDSHAKE:
            return None
        return UpstreamProtocolError(f"Server {self.server.slug!r} takes no handshake.")

    async def release(self, link: RelayLink) -> None:
        """Close a session's own link; a shared one stays."""
        if link in self._sessions:
            self._sessions.discard(link)
            await link.close()

    def learn(self, params: Mapping[str, Any], page: Mapping[str, Any]) -> None:
        """Remember the schemas of a page of tools/list that passes by."""
        tools = page.get("tools")
        if not isinstance(tools, list):
            return
        if params.get("cursor") is None:
            self.schemas.clear()
            self.listed = False
        for tool in tools:
            if isinstance(tool, Mapping) and isinstance(tool.get("name"), str):
                self.schemas[tool["name"]] = tool.get("inputSchema")
        self.listed = self.listed or page.get("nextCursor") is None

    def mirrored(self, tool: object) -> HeaderMap | None:
        """The headers that repeat arguments of a tool (`x-mcp-header`)."""
        schema = self.schemas.get(tool) if isinstance(tool, str) else None
        if schema is None or find_invalid_x_mcp_header(schema) is not None:
            return None
        return x_mcp_header_map(schema)

    async def close(self) -> None:
        links = [*self._links.values(), *self._sessions]
        self._links.clear()
        self._sessions.clear()
        await asyncio.gather(*(link.close() for link in set(links)))

    def _link(self, key: str, hello: Hello) -> RelayLink:
        link = self._links.get(key)
        if link is None:
            if len(self._links) >= _MOST_LINKS:
                raise Overloaded(f"Server {self.server.slug!r} has {_MOST_LINKS} kinds of clients already.")
            link = self._links[key] = RelayLink(self, hello, self._era)
        return link


def _key(hello: Hello) -> str:
    return json.dumps(hello.capabilities, sort_keys=True)

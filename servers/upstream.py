"""One registered server over time: its present connection, the next one, and what is remembered between them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from domain.errors import UpstreamUnreachable
from domain.servers import ServerHealth, ServerStatus, UpstreamServer
from servers.bulkhead import Bulkhead
from servers.connection import Connection
from servers.failures import ConnectionLost, NotSent, SessionLost, hide_secrets
from servers.limits import Limits
from servers.negotiation import Era, Peer
from servers.requests import HeaderMap
from servers.wire import StderrRing

T = TypeVar("T")
_ATTEMPTS = 3


class Upstream:
    """Opens a connection when one is needed: the first time, after a death, after an idle close."""

    def __init__(self, server: UpstreamServer, limits: Limits, on_list_changed: Callable[[], None]) -> None:
        self.server = server
        self.bulkhead = Bulkhead(server.slug, limits.caps)
        self.mirrored: dict[str, HeaderMap] = {}
        self._limits = limits
        self._on_list_changed = on_list_changed
        self._stderr = StderrRing()
        self._connection: Connection | None = None
        self._retired: set[Connection] = set()
        self._era: Era | None = None
        self._closed = False

    async def on_connection(self, work: Callable[[Connection, Peer], Awaitable[T]], *, replay: bool) -> T:
        """Do `work` on an open connection. It is done again on a new one when the server provably executed nothing,
        and with `replay` also when the connection died half-way: for work that changes nothing.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            connection = self._present()
            peer = await connection.ready()
            self._era = peer.era
            try:
                return await work(connection, peer)
            except (SessionLost, NotSent):
                self._replace(connection)
                if attempt == _ATTEMPTS:
                    raise
            except ConnectionLost:
                if not replay or attempt > 1:
                    raise
        raise AssertionError("the last attempt returns or raises")

    @property
    def health(self) -> ServerHealth:
        connection = self._connection
        if connection is None:
            return ServerHealth(ServerStatus.IDLE)
        peer, failure = connection.peer, connection.failure
        status = ServerStatus.CONNECTING
        if connection.ended:
            status = ServerStatus.IDLE if failure is None else ServerStatus.FAILED
        elif peer is not None:
            status = ServerStatus.READY
        return ServerHealth(
            status,
            failure.message if failure is not None and status is ServerStatus.FAILED else None,
            peer.protocol_version if peer is not None else None,
            peer.server_name if peer is not None else None,
            peer.server_version if peer is not None else None,
            peer.instructions if peer is not None else None,
        )

    @property
    def stderr(self) -> str:
        return hide_secrets(self._stderr.text(), self.server)

    async def close(self) -> None:
        """End every connection, and open no other."""
        self._closed = True
        everything = self._retired | ({self._connection} if self._connection is not None else set())
        await asyncio.gather(*(connection.close() for connection in everything))

    def _present(self) -> Connection:
        if self._closed:
            raise UpstreamUnreachable(
                f"Server {self.server.slug!r} was changed or removed while it was used; search again."
            )
        if self._connection is not None and self._connection.ended:
            self._replace(self._connection)
        if self._connection is None:
            self._connection = Connection(
                self.server,
                self._limits,
                stderr=self._stderr,
                era=self._era,
                on_list_changed=self._on_list_changed,
            )
        return self._connection

    def _replace(self, connection: Connection) -> None:
        """Let it finish what it does; the next request opens another one."""
        connection.retire()
        self._retired = {old for old in self._retired | {connection} if not old.gone}
        if self._connection is connection:
            self._connection = None

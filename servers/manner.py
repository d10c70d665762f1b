"""How one server wants to be spoken to, as far as it has shown: its era, its transport, with a session or without."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from domain.servers import Transport, UpstreamServer
from servers.connection import Connection
from servers.direct.http import NotDirect
from servers.limits import Limits
from servers.negotiation import Era, Peer
from servers.stateless import KnownPeer, StatelessConnection
from servers.transports.wire import StderrRing

AnyConnection = Connection | StatelessConnection


class Manner:
    """Makes connections of the kind that is wanted; what they find out is told to it."""

    def __init__(self, server: UpstreamServer, stderr: StderrRing, on_list_changed: Callable[[], None]) -> None:
        self.older = False  # whether it was found to speak HTTP+SSE, though it is registered with a plain URL
        self._server = server
        self._stderr = stderr
        self._on_list_changed = on_list_changed
        self._era: Era | None = None
        self._stateless = self._may_be_stateless
        self._known = KnownPeer()

    def connection(self, limits: Limits, opens_by: float | None = None) -> AnyConnection:
        """A new one. `opens_by`, by the loop's clock: where another kind was tried before."""
        if self._stateless and not self.older and self._era is not Era.HANDSHAKE:
            try:
                return StatelessConnection(self._server, limits, self._on_list_changed, self._known.fresh())
            except NotDirect:
                self._stateless = False
        return Connection(
            _over_sse(self._server) if self.older else self._server,
            limits,
            stderr=self._stderr,
            era=self._era,
            on_list_changed=self._on_list_changed,
            opens_by=opens_by,
        )

    def showed(self, peer: Peer) -> None:
        """A connection is open."""
        self._era = peer.era
        self._known.keep(peer)

    def wants_session(self, *, silent: bool = False) -> None:
        """Plain requests are not enough. `silent`: it does not even answer what the current revision begins with."""
        self._stateless = False
        if silent:
            self._era = Era.HANDSHAKE

    def failed(self) -> None:
        """Something went wrong: whatever answers there now says itself what it is."""
        self._known.forget()

    def find_out_anew(self) -> None:
        """It answers as a server of another era would."""
        self._era, self._stateless = None, self._may_be_stateless

    @property
    def _may_be_stateless(self) -> bool:
        return self._server.launch.transport is Transport.STREAMABLE_HTTP


def _over_sse(server: UpstreamServer) -> UpstreamServer:
    return replace(server, launch=replace(server.launch, transport=Transport.SSE))

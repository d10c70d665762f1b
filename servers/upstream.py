"""One registered server over time: its present connection, the next one, and what is remembered between them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

from mcp_types import INVALID_REQUEST, UNSUPPORTED_PROTOCOL_VERSION

from domain.errors import UpstreamError, UpstreamProtocolError, UpstreamRefused, UpstreamTimeout, UpstreamUnreachable
from domain.servers import Circuit, ServerHealth, ServerStatus, Sharing, Transport, UpstreamServer
from servers.failures import CircuitOpen, Estranged, NotSent, SessionLost, TooLarge, Unwilling, hide_secrets
from servers.lanes import EVERYBODY, Lanes, Owner
from servers.limits import Limits
from servers.listing import Listing
from servers.manner import AnyConnection, Manner
from servers.negotiation import Peer
from servers.requests import HeaderMap
from servers.resilience.breaker import Breaker
from servers.resilience.bulkhead import Bulkhead
from servers.resilience.retries import Retries
from servers.resilience.single_flight import SingleFlight
from servers.stateless import StatelessConnection, Unfit
from servers.transports.wire import StderrRing

T = TypeVar("T")


class Upstream:
    """Opens a connection when one is needed: the first time, after a death, after an idle close.

    Where the server keeps state for a connection, every owner of calls has one of its own (docs/adr/0016).
    """

    def __init__(self, server: UpstreamServer, limits: Limits, on_list_changed: Callable[[], None]) -> None:
        self.server = self.given = server
        self.breaker = breaker_of(server, limits)
        self.listing: SingleFlight[Listing] = SingleFlight()
        self.listed: Listing | None = None  # the last listing, without its documents: to know an equal one by
        self.mirrored: dict[str, HeaderMap] = {}
        self._retries = Retries()
        self._blamed: AnyConnection | None = None
        self._limits = limits
        self._stderr = StderrRing()
        process = server.launch.transport is Transport.STDIO
        most = limits.caps.processes if process else limits.caps.sessions
        self._lanes = Lanes(most)
        self._apart = server.sharing is Sharing.SESSION  # whether owners have connections of their own
        self.bulkhead = Bulkhead(server.slug, limits.caps, most if self._apart else limits.caps.in_flight)
        self._manner = Manner(server, self._stderr, on_list_changed)
        self._closed = False

    async def on_connection(
        self,
        work: Callable[[AnyConnection, Peer], Awaitable[T]],
        *,
        repeatable: bool,
        urgent: bool = False,
        owner: Owner = EVERYBODY,
    ) -> T:
        """Do `work` on an open connection, and again where `servers.resilience.retries` allows it: `repeatable`
        work may be done twice. `urgent` work is tried though the circuit is open. What the server keeps for a
        connection is `owner`'s.
        """
        self._retries.earn()
        retries = 0
        failure: UpstreamError | None = None
        clock = asyncio.get_running_loop().time
        while True:
            began = clock()
            try:
                if not self._apart:
                    return await self._attempt(work, owner, urgent=urgent)
                with self._lanes.used_by(owner):
                    return await self._attempt(work, owner, urgent=urgent)
            except CircuitOpen as refusal:
                raise failure or refusal from None
            except UpstreamError as error:
                pause = self._retries.pause(error, retries, repeatable=repeatable, took_s=clock() - began)
                if pause is None:
                    raise
                failure = error
            retries += 1
            await asyncio.sleep(pause)

    def timed_out(self, error: UpstreamTimeout, seconds: float) -> None:
        """A request got no answer in time. A deadline shorter than connecting may take says more about its caller."""
        if seconds >= self._limits.deadlines.connect_s:
            self.breaker.failed(error, trying=False)

    async def _attempt(self, work: Callable[[AnyConnection, Peer], Awaitable[T]], owner: Owner, *, urgent: bool) -> T:
        trying = self.breaker.admit(urgent=urgent)
        lane = self._lane(owner)
        if trying and (present := self._lanes.of(lane)) is not None:
            self._lanes.retire(present)  # a new handshake is the proof that the server is back
        connection = self._present(lane, trying=trying)
        try:
            connection, peer = await self._opened(connection, lane, trying=trying)
            if self.server.sharing is Sharing.AUTO:
                self._apart = connection.keeps_session
            if (own := self._lane(owner)) != lane:  # now it is known what the server wants
                connection, peer = await self._opened(self._present(own, trying=trying), own, trying=trying)
            self._manner.showed(peer)
            if trying:
                self.breaker.reached()
            result = await work(connection, peer)
        except (SessionLost, NotSent):
            self._manner.failed()
            self._retire(connection)
            raise
        except UpstreamError as error:
            self._manner.failed()
            self._learn(connection, error, trying=trying and connection.peer is None)
            if _speaks_otherwise(error):
                self._manner.find_out_anew()
                self._lanes.retire(connection)
            raise
        finally:
            if trying and self.breaker.circuit is Circuit.HALF_OPEN:
                self.breaker.gave_no_verdict()
        self.breaker.succeeded()
        return result

    async def _opened(self, connection: AnyConnection, lane: Owner, *, trying: bool) -> tuple[AnyConnection, Peer]:
        """The connection once it is open: one with a session where the server wants one; another one, over HTTP+SSE,
        where it answers the newer transport's first message with a client error, as the specification has clients
        find out.
        """
        if isinstance(connection, StatelessConnection):
            try:
                return connection, await connection.ready()
            except Unfit as verdict:
                self._manner.wants_session(silent=verdict.silent)
                self._lanes.retire(connection)
                connection = self._present(lane, trying=trying, opens_by=connection.opens_by)
        try:
            return connection, await connection.ready()
        except Estranged as refusal:
            if connection.server.launch.transport is not Transport.STREAMABLE_HTTP:
                self._manner.older = False
                raise
            self._manner.older, newer = True, refusal
        self._lanes.retire(connection)
        connection = self._present(lane, trying=trying)
        try:
            return connection, await connection.ready()
        except UpstreamError:
            self._manner.older = False
            self._lanes.retire(connection)
            raise newer from None

    def _learn(self, connection: AnyConnection, error: UpstreamError, *, trying: bool) -> None:
        """What an error says about the server. The end of one connection is one failure, however many it failed."""
        if isinstance(error, TooLarge):
            return
        if isinstance(error, Unwilling) or not isinstance(
            error, UpstreamUnreachable | UpstreamTimeout | UpstreamProtocolError
        ):
            self.breaker.succeeded()  # it is there and answers
        elif not connection.ended or self._blamed is not connection:
            self._blamed = connection if connection.ended else None
            self.breaker.failed(error, trying=trying)

    @property
    def health(self) -> ServerHealth:
        connection = self._lanes.latest
        circuit = self.breaker.circuit
        if connection is None:
            return ServerHealth(ServerStatus.IDLE, circuit=circuit)
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
            circuit,
        )

    @property
    def stderr(self) -> str:
        return hide_secrets(self._stderr.text(), self.server)

    async def close(self) -> None:
        """End every connection, and open no other."""
        self._closed = True
        await self._lanes.close()

    def _lane(self, owner: Owner) -> Owner:
        return owner if self._apart else EVERYBODY

    def _present(self, lane: Owner, *, trying: bool, opens_by: float | None = None) -> AnyConnection:
        if self._closed:
            raise UpstreamUnreachable(
                f"Server {self.server.slug!r} was changed or removed while it was used; search again."
            )
        connection = self._lanes.of(lane)
        if connection is None:
            hurried = trying and self.server.launch.transport is not Transport.STDIO
            connection = self._manner.connection(_hurried(self._limits) if hurried else self._limits, opens_by)
            self._lanes.put(lane, connection)
        return connection

    def _retire(self, connection: AnyConnection) -> None:
        if isinstance(connection, StatelessConnection) and connection.unfit:
            self._manner.wants_session()
        self._lanes.retire(connection)


def _speaks_otherwise(error: UpstreamError) -> bool:
    """Whether a server of another era would answer so: one that was exchanged under its address is asked anew."""
    if isinstance(error, UpstreamRefused):
        return error.rpc_code in {INVALID_REQUEST, UNSUPPORTED_PROTOCOL_VERSION}
    return isinstance(error, Estranged)


def breaker_of(server: UpstreamServer, limits: Limits) -> Breaker:
    """A child process is left alone for longer than an address."""
    backoff = limits.backoff
    process = server.launch.transport is Transport.STDIO
    return Breaker(server.slug, backoff, backoff.process_cap_s if process else backoff.address_cap_s)


def _hurried(limits: Limits) -> Limits:
    """An address that is tried again answers soon or is tried later."""
    seconds = min(limits.deadlines.connect_s, limits.backoff.address_connect_s)
    return replace(limits, deadlines=replace(limits.deadlines, connect_s=seconds))

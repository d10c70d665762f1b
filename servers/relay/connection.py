"""A connection that relays: raw requests out, raw answers, notices and questions back, nothing renamed or dropped.

The sibling of `servers/connection.py` for the transparent profile: owned by one task as well, for the same reasons.
Refuses to know: what the messages mean beyond whom they belong to, who is behind it, whether anything is repeated.
"""

from __future__ import annotations

import asyncio
import contextvars
import itertools
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import anyio
from mcp import MCPError
from mcp.shared.dispatcher import CallOptions, DispatchContext
from mcp.shared.inbound import (
    MCP_METHOD_HEADER,
    MCP_NAME_HEADER,
    MCP_PROTOCOL_VERSION_HEADER,
    NAME_BEARING_METHODS,
    encode_header_value,
    mcp_param_headers,
)
from mcp.shared.jsonrpc_dispatcher import JSONRPCDispatcher
from mcp.shared.message import ServerMessageMetadata
from mcp.shared.subscriptions import LISTEN_STREAM_METHODS, SUBSCRIPTION_ID_META_KEY
from mcp_types import INTERNAL_ERROR

from domain.errors import InvalidInput, Overloaded, UpstreamError, UpstreamRefused
from domain.servers import UpstreamServer
from servers.failures import (
    NotSent,
    connect_failed,
    connect_timed_out,
    connection_lost,
    died_at_start,
    is_closed,
    request_failed,
)
from servers.limits import Limits
from servers.negotiation import Era, Negotiator, Peer
from servers.opening import open_streams
from servers.relay.exchange import STREAM_ENDED, Answer, Exchange, Failure, Notice, Question
from servers.relay.hello import Hello, RawHandshake
from servers.requests import HeaderMap
from servers.sendable import require_json
from servers.transports.wire import StderrRing, WireNotes

logger = logging.getLogger(__name__)

Standalone = Callable[[Notice | Question], None]
"""Takes what belongs to no request. Called in the event loop; must not block or raise."""

LISTEN = "subscriptions/listen"
_MOST_LISTENS = 1024
_FIRST_NUMBER = 1000  # below it the dispatcher counts its own requests
_NUMBERS = itertools.count(_FIRST_NUMBER)
"""Of every connection: a retry never has the number of the request it repeats, even over another one (SEP-2322)."""

_ASKING = frozenset({"tools/call", "prompts/get", "resources/read"})


@dataclass(slots=True)
class _Life:
    """What one attempt to live left behind."""

    notes: WireNotes
    handshake_error: Exception | None = None
    probe_killed_it: bool = False


class _Started(anyio.abc.TaskStatus[None]):
    """Told by the dispatcher once it reads."""

    def __init__(self) -> None:
        self.event = anyio.Event()

    def started(self, value: None = None) -> None:  # noqa: ARG002 - the port's signature
        self.event.set()


class RelayConnection:
    """Opens itself in a task of its own; `ready` waits for that. Once `ended` it is never used again."""

    def __init__(
        self,
        server: UpstreamServer,
        limits: Limits,
        hello: Hello,
        standalone: Standalone,
        era: Era | None = None,
    ) -> None:
        self.server = server
        self.peer: Peer | None = None
        self.said: Mapping[str, Any] = {}
        self.failure: UpstreamError | None = None
        self.ended = False
        self.exchanges: dict[int, Exchange] = {}
        self.watched: Counter[str] = Counter()  # resources subscribed to in the handshake era's way, by their listeners
        self._limits = limits
        self._hello = hello
        self._standalone = standalone
        self._era = era
        self._notes = WireNotes(stderr=StderrRing())
        self._settled = asyncio.Event()
        self._closing = asyncio.Event()
        self._scope = anyio.CancelScope()
        self._dispatcher: JSONRPCDispatcher[Any] | None = None
        self._probe_killed_it = False
        self._inbox: asyncio.Queue[tuple[Exchange, HeaderMap | None]] = asyncio.Queue()
        self._owner = asyncio.create_task(self._own(), name=f"relay-{server.slug}", context=contextvars.Context())

    async def ready(self) -> Peer:
        """Wait for the handshake. Raises what made it fail, as UpstreamError."""
        await self._settled.wait()
        if self.peer is None:
            raise (self.failure or died_at_start(self.server, self._notes)).with_traceback(None)
        return self.peer

    def begin(self, method: str, params: Mapping[str, Any], mirrored: HeaderMap | None = None) -> Exchange:
        """Send a request, its progress token replaced by one of this hop.

        Raises NotSent once the connection ended, Overloaded when too much is under way on it already, InvalidInput
        for what cannot be sent.
        """
        require_json(params, f"The params of {method!r}")
        if self.ended or self._closing.is_set():
            raise NotSent(f"The connection to server {self.server.slug!r} has ended; try again.")
        self._require_room(method)
        number = next(_NUMBERS)
        meta = params.get("_meta")
        if isinstance(meta, Mapping) and "progressToken" in meta:
            params = {**params, "_meta": {**meta, "progressToken": number}}
        exchange = Exchange(number, method, params)
        self.exchanges[number] = exchange
        exchange.over.add_done_callback(lambda _over: self.exchanges.pop(number, None))
        self._inbox.put_nowait((exchange, mirrored))
        return exchange

    def _require_room(self, method: str) -> None:
        """Subscriptions last, and are counted apart: they cost the server a stream, not work."""
        caps = self._limits.caps
        lasting = sum(exchange.method == LISTEN for exchange in self.exchanges.values())
        count, most = len(self.exchanges) - lasting, caps.in_flight + caps.queued
        if method == LISTEN:
            count, most = lasting, _MOST_LISTENS
        if count >= most:
            raise Overloaded(f"Server {self.server.slug!r} has {count} requests of {method} and its like under way.")

    async def notify(self, method: str, params: Mapping[str, Any] | None) -> None:
        """Fire and forget; dropped when the connection has ended. Raises InvalidInput for what cannot be sent."""
        require_json(params or {}, f"The params of {method!r}")
        peer = await self.ready()
        if self._dispatcher is not None:
            await self._dispatcher.notify(
                method, params, {"headers": {MCP_PROTOCOL_VERSION_HEADER: peer.protocol_version}}
            )

    async def wait_ended(self) -> None:
        """Until it is over, for whatever reason."""
        await asyncio.wait({self._owner})

    async def close(self) -> None:
        """End politely within the stop deadline, then by force. What is under way is cancelled."""
        if not self._closing.is_set():
            self._closing.set()
            if self.peer is None:
                self._scope.cancel()
            asyncio.get_running_loop().call_later(self._limits.deadlines.stop_s, self._scope.cancel)
        await asyncio.wait({self._owner})

    async def _own(self) -> None:
        """The outermost loop of the owner task: whatever happens inside becomes `failure`, and wakes every waiter."""
        try:
            self.failure = await self._attempt()
            if self.peer is None and self._probe_killed_it and not self._closing.is_set():
                self._era = Era.HANDSHAKE
                self._notes = WireNotes(stderr=self._notes.stderr)
                self.failure = await self._attempt()
        finally:
            self.ended = True
            lost = self.failure or connection_lost(self.server, self._notes, "while it was in use")
            for exchange in list(self.exchanges.values()):
                exchange.finish(lost)
            self._settled.set()

    async def _attempt(self) -> UpstreamError | None:
        """One life of the connection; what ended it, or None for a wanted end."""
        life = _Life(self._notes)
        life.notes.on_stream_end = self._on_stream_end
        self._scope = anyio.CancelScope()
        deadline = self._limits.deadlines.connect_s
        timer = asyncio.get_running_loop().call_later(deadline, self._scope.cancel)
        try:
            with self._scope:
                await self._live(life, timer)
        except Exception as error:  # the owner's outermost loop: anything the SDK raises ends here
            logger.debug("relay to %s ended", self.server.slug, exc_info=error)
            if self.peer is None:
                life.handshake_error = life.handshake_error or error
        finally:
            timer.cancel()
            self._probe_killed_it = life.probe_killed_it
        if self._closing.is_set():
            return None
        if self.peer is not None:
            return connection_lost(self.server, life.notes, "while it was in use")
        if life.handshake_error is not None:
            return connect_failed(self.server, life.notes, life.handshake_error)
        if life.notes.over.is_set():
            return died_at_start(self.server, life.notes)
        return connect_timed_out(self.server, life.notes, deadline)

    async def _live(self, life: _Life, timer: asyncio.TimerHandle) -> None:
        async with open_streams(self.server, self._limits, life.notes) as streams:
            dispatcher: JSONRPCDispatcher[Any] = JSONRPCDispatcher(*streams)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._watch, life.notes)
                pumping = _Started()
                tasks.start_soon(self._pump, dispatcher, life.notes, pumping)
                await pumping.event.wait()
                handshake = RawHandshake(dispatcher, self._hello)
                deadlines = self._limits.deadlines
                negotiator = Negotiator(handshake, min(deadlines.probe_s, deadlines.connect_s / 2))
                try:
                    peer = await negotiator.run(self._era)
                except Exception as error:
                    # Leaving the contexts around us may replace it by a cancellation.
                    life.handshake_error = error
                    raise
                finally:
                    life.probe_killed_it = negotiator.probing and life.notes.fault is None
                timer.cancel()
                self.said, self.peer, self._dispatcher = handshake.said, peer, dispatcher
                self._settled.set()
                tasks.start_soon(self._serve, tasks, dispatcher, peer)
                await self._closing.wait()
                tasks.cancel_scope.cancel()

    async def _pump(self, dispatcher: JSONRPCDispatcher[Any], notes: WireNotes, started: _Started) -> None:
        try:
            await dispatcher.run(self._on_request, self._on_notify, task_status=started)
        finally:
            notes.over.set()

    async def _watch(self, notes: WireNotes) -> None:
        """A connection whose read stream ended, or whose transport gave up, is over at once."""
        await notes.over.wait()
        if not self._closing.is_set():
            self.ended = True
            self._scope.cancel()

    async def _serve(self, tasks: anyio.abc.TaskGroup, dispatcher: JSONRPCDispatcher[Any], peer: Peer) -> None:
        while True:
            exchange, mirrored = await self._inbox.get()
            tasks.start_soon(self._run, exchange, mirrored, dispatcher, peer)

    async def _run(
        self, exchange: Exchange, mirrored: HeaderMap | None, dispatcher: JSONRPCDispatcher[Any], peer: Peer
    ) -> None:
        scope = anyio.CancelScope()
        exchange.over.add_done_callback(lambda over: scope.cancel() if over.cancelled() else None)
        options: CallOptions = {"request_id": exchange.number, "headers": _headers(peer, exchange, mirrored)}
        with scope:
            if exchange.over.cancelled():
                return
            try:
                exchange.finish(Answer(await dispatcher.send_raw_request(exchange.method, exchange.params, options)))
            except MCPError as error:
                exchange.finish(self._failure(exchange, error))

    def _failure(self, exchange: Exchange, error: MCPError) -> Failure:
        """The server's own error as it came; what the transport made up, as our sentence."""
        ours = request_failed(self.server, self._notes, exchange.method, error)
        if is_closed(error):
            self._notes.over.set()
        return error if isinstance(ours, UpstreamRefused) else ours

    def _on_stream_end(self, number: object) -> None:
        exchange = self._owner_of(number)
        if exchange is not None:
            exchange.put(Notice(STREAM_ENDED, None))

    async def _on_request(
        self, context: DispatchContext[Any], method: str, params: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        if method == "ping":
            return {}
        question = Question(method, params)
        exchange = self._owner_of(_related(context)) or self._latest_asking()
        if exchange is not None:
            exchange.put(question)
        else:
            self._standalone(question)
        return await _sendable(question)

    async def _on_notify(self, context: DispatchContext[Any], method: str, params: Mapping[str, Any] | None) -> None:
        # No await before the message is passed on: the order of the wire is kept against the answer's.
        notice = Notice(method, params)
        exchange = self._exchange_of(notice, _related(context))
        if exchange is not None:
            exchange.put(notice)
        elif method not in {"notifications/progress", "notifications/cancelled"}:
            self._standalone(notice)

    def _exchange_of(self, notice: Notice, related: object) -> Exchange | None:
        params = notice.params or {}
        if notice.method == "notifications/progress":
            return self._owner_of(params.get("progressToken"))
        meta = params.get("_meta")
        if isinstance(meta, Mapping) and SUBSCRIPTION_ID_META_KEY in meta:
            return self._owner_of(meta[SUBSCRIPTION_ID_META_KEY])
        if notice.method in LISTEN_STREAM_METHODS:
            return None
        return self._owner_of(related) or (self._latest_asking() if notice.method == "notifications/message" else None)

    def _owner_of(self, number: object) -> Exchange | None:
        if isinstance(number, str) and number.isdecimal():
            number = int(number)
        return self.exchanges.get(number) if isinstance(number, int) else None

    def _latest_asking(self) -> Exchange | None:
        """Over stdio and HTTP+SSE nothing says which request a question belongs to; the youngest is the best guess.

        All requests of one connection come from one principal, so a wrong guess tells nobody anything new.
        """
        asking = (exchange for exchange in reversed(self.exchanges.values()) if exchange.method in _ASKING)
        return next(asking, None)


async def _sendable(question: Question) -> dict[str, Any]:
    """The client's reply. One that cannot be sent becomes an error: it must not cost the others their connection."""
    refused: MCPError | None = None
    try:
        reply = await question.reply
    except MCPError as refusal:
        reply, refused = {"message": refusal.message, "data": refusal.data}, refusal
    try:
        require_json(reply, f"The client's answers to {question.method!r}")
    except InvalidInput as error:
        raise MCPError(INTERNAL_ERROR, error.message) from error
    if refused is not None:
        raise refused
    return reply


def _related(context: DispatchContext[Any]) -> object:
    metadata = context.message_metadata
    return metadata.related_request_id if isinstance(metadata, ServerMessageMetadata) else None


def _headers(peer: Peer, exchange: Exchange, mirrored: HeaderMap | None) -> dict[str, str]:
    """Made for this hop from the body, never the caller's."""
    headers = {MCP_PROTOCOL_VERSION_HEADER: peer.protocol_version}
    if peer.era is not Era.MODERN:
        return headers
    headers[MCP_METHOD_HEADER] = exchange.method
    name = exchange.params.get(NAME_BEARING_METHODS.get(exchange.method, ""))
    if isinstance(name, str):
        headers[MCP_NAME_HEADER] = encode_header_value(name)
    if mirrored:
        headers |= mcp_param_headers(mirrored, exchange.params.get("arguments") or {})
    return headers

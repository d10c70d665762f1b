"""A short way for calls to a server of the current revision over HTTP: one POST, one answer, nothing in between.

There every request stands alone, so a call needs no session, no dispatcher and no task of its own; through the SDK's
it costs several times what this does (benchmarks/call_overhead). Whatever is not plain (a redirect, a refusal that
credentials might cure) is left to the SDK's way: `NotDirect`, the server executed nothing.

Refuses to know: JSON-RPC, retries, deadlines; who stops waiting closes the connection, which cancels at the server.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

import httptools

from domain.servers import Transport, UpstreamServer
from servers.event_stream import EventStream
from servers.idle_sockets import IdleSockets
from servers.large_results.spool import Spool, SpoolFile, SpoolFull
from servers.limits import Limits
from servers.transports.http import HttpFailure, HttpFault
from servers.transports.socket_options import keep_alive
from servers.transports.tls import tls_context

_OK, _REDIRECT, _ERROR = 200, 300, 400
_NEEDS_MORE = frozenset({401, 403, 407})


class NotDirect(Exception):
    """More than a plain request is needed; nothing was executed."""


class WireFailure(Exception):
    """The exchange failed on the wire."""

    def __init__(self, failure: HttpFailure) -> None:
        super().__init__(failure.fault.value)
        self.failure = failure


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer's status and the bytes of its message: a JSON body, or the data of the event that answered.

    One over the cap is in a file, where there is a spool for it; whoever takes it drops it.
    """

    status: int
    body: bytes
    file: SpoolFile | None = None


class DirectHttp:
    """Requests to one URL, each on a connection of its own while it lasts; idle ones are shared by address."""

    def __init__(self, server: UpstreamServer, limits: Limits) -> None:
        """Raises NotDirect for what it does not do: other transports, credentials in the URL, odd headers."""
        parts = urlsplit(server.launch.url or "")
        if server.launch.transport is not Transport.STREAMABLE_HTTP or "@" in parts.netloc or parts.hostname is None:
            raise NotDirect
        self._host = parts.hostname
        self._secure = parts.scheme == "https"
        self._port = parts.port or (443 if self._secure else 80)
        self._origin = (self._secure, self._host, self._port)
        self._connect_s = limits.deadlines.connect_s
        self._cap = limits.caps.message_bytes
        self._spool = limits.spool
        self._idle: IdleSockets[_Wire] = limits.idle_sockets
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        fixed = {
            "host": parts.netloc,
            "accept": "application/json, text/event-stream",
            "accept-encoding": "identity",
            "content-type": "application/json",
            "user-agent": "toolcrib",
            **{name.lower(): value for name, value in server.launch.headers.items()},
        }
        self._head = _line(f"POST {target} HTTP/1.1") + header_lines(fixed)
        self._busy: set[_Wire] = set()
        self._rest = asyncio.Event()
        self._rest.set()
        self._rested_at = asyncio.get_running_loop().time()

    @property
    def rested_s(self) -> float:
        """Seconds since the last exchange ended; 0 during one."""
        return 0.0 if self._busy else asyncio.get_running_loop().time() - self._rested_at

    async def post(self, head: bytes, body: bytes, answers: Callable[[bytes], bool]) -> Reply:
        """Send and wait. `head` are further `header_lines`; `answers` knows the event that answers where one streams.

        Raises WireFailure, and NotDirect when the server wants something else first.
        """
        request = b"%b%bcontent-length: %d\r\n\r\n%b" % (self._head, head, len(body), body)
        wire = self._idle.take(self._origin) or await self._open()
        self._busy.add(wire)
        self._rest.clear()
        try:
            return await wire.exchange(request, answers)
        finally:
            self._busy.discard(wire)
            if not self._busy:
                self._rested_at = asyncio.get_running_loop().time()
                self._rest.set()
            if wire.reusable and wire.open:
                self._idle.add(self._origin, wire)
            else:
                wire.abort()  # spent, failed, or its caller has stopped waiting

    async def at_rest(self) -> None:
        """Wait until no exchange is under way."""
        await self._rest.wait()

    def close(self) -> None:
        """Close the connections that are in use; exchanges under way fail."""
        for wire in [*self._busy]:
            wire.abort()

    async def _open(self) -> _Wire:
        context: ssl.SSLContext | None = tls_context() if self._secure else None
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._connect_s):
                _, wire = await loop.create_connection(
                    lambda: _Wire(self._cap, self._spool), self._host, self._port, ssl=context
                )
        except (OSError, TimeoutError) as error:
            raise WireFailure(HttpFailure(HttpFault.CONNECT, 0, str(error) or "no connection in time")) from error
        return wire


class _Wire(asyncio.Protocol):
    """One connection and the exchange on it."""

    def __init__(self, cap: int, spool: Spool | None) -> None:
        self.reusable = False
        self._cap = cap
        self._spool = spool
        self._file: SpoolFile | None = None
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[Reply] | None = None

    @property
    def open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    async def exchange(self, request: bytes, answers: Callable[[bytes], bool]) -> Reply:
        assert self._transport is not None
        self.reusable = False
        self._framed = self._interim = self._headed = False
        self._answers = answers
        self._parser = httptools.HttpResponseParser(self)
        self._media = ""
        self._encoded = False
        self._body = bytearray()
        self._events: EventStream | None = None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        try:
            return await self._answer
        finally:
            if self._file is not None or self._events is not None:
                self._forget()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        if (plug := transport.get_extra_info("socket")) is not None:
            for option in keep_alive():
                plug.setsockopt(*option)

    def data_received(self, data: bytes) -> None:
        if self._answer is None or self._answer.done():
            self.abort()  # nothing was asked, or the rest of a stream that has answered
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(HttpFault.BROKEN, f"no HTTP: {error}")

    def connection_lost(self, error: Exception | None) -> None:
        if error is None and self._answer is not None and self._headed and self._events is None and not self._framed:
            self._settle_body()  # its end was the connection's
        self._fail(HttpFault.BROKEN, str(error) if error is not None else "connection closed")

    # httptools

    def on_message_begin(self) -> None:
        if self._answer is None or self._answer.done():
            self.abort()  # a second answer to one request: nobody else is to meet it

    def on_header(self, name: bytes, value: bytes) -> None:
        match name.lower():
            case b"content-type":
                self._media = value.partition(b";")[0].strip().lower().decode("latin-1")
            case b"content-length" | b"transfer-encoding":
                self._framed = True
            case b"content-encoding":
                self._encoded = value.strip().lower() != b"identity"

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        self._interim, self._headed = status < _OK, status >= _OK
        if self._interim:
            return
        if self._encoded:
            self._fail(HttpFault.TOO_LARGE, "compressed against our wish")
        elif _REDIRECT <= status < _ERROR or status in _NEEDS_MORE:
            self._settle(NotDirect())
        elif status < _REDIRECT and self._media == "text/event-stream":
            self._events = EventStream(self._cap, self._spool)
        elif status < _REDIRECT and self._media != "application/json":
            self._fail(HttpFault.MEDIA, self._media or "no content type")

    def on_body(self, chunk: bytes) -> None:
        if self._events is not None:
            self._take_events(self._events, chunk)
            return
        self._body += chunk
        if self._file is not None or len(self._body) > self._cap:
            self._put_aside()

    def _put_aside(self) -> None:
        """What came of a body over the cap; only a result is worth it."""
        if self._spool is None or self._parser.get_status_code() >= _REDIRECT:
            self._fail(HttpFault.TOO_LARGE, f"more than {self._cap} bytes")
            return
        if self._answer is None or self._answer.done():
            return
        try:
            self._file = self._file or self._spool.begin()
            self._file.write(bytes(self._body))
        except SpoolFull as full:
            self._fail(HttpFault.TOO_LARGE, f"more than {self._cap} bytes, and {full}")
        self._body.clear()

    def _forget(self) -> None:
        """What nobody took of a large answer."""
        if self._file is not None:
            self._file.drop()
            self._file = None
        if self._events is not None:
            self._events.close()

    def on_message_complete(self) -> None:
        if self._interim:
            return
        self.reusable = self._parser.should_keep_alive()
        if self._events is not None:
            self._fail(HttpFault.BROKEN, "the event stream ended without an answer")
            return
        self._settle_body()

    def _settle_body(self) -> None:
        reply = Reply(self._parser.get_status_code(), bytes(self._body), self._file)
        self._file = None
        self._settle(reply)

    def _take_events(self, events: EventStream, chunk: bytes) -> None:
        try:
            for event in events.events(chunk):
                if isinstance(event.data, SpoolFile):
                    self._settle(Reply(_OK, b"", event.data))
                elif event.data is not None and self._answers(event.data):
                    self._settle(Reply(_OK, event.data))
        except SpoolFull as full:
            self._fail(HttpFault.TOO_LARGE, f"an event of more than {self._cap} bytes, and {full}")
        except ValueError:
            self._fail(HttpFault.TOO_LARGE, f"an event of more than {self._cap} bytes")

    def _settle(self, outcome: Reply | Exception) -> None:
        if self._answer is None or self._answer.done():
            if isinstance(outcome, Reply) and outcome.file is not None:
                outcome.file.drop()
            return
        if isinstance(outcome, Exception):
            self._answer.set_exception(outcome)
        else:
            self._answer.set_result(outcome)

    def _fail(self, fault: HttpFault, detail: str) -> None:
        self._settle(WireFailure(HttpFailure(fault, 0, detail)))


def _line(text: str) -> bytes:
    """One line of a request's head. Raises NotDirect for what would be two, or is not ASCII."""
    if not text.isascii() or not text.isprintable():
        raise NotDirect
    return text.encode() + b"\r\n"


def header_lines(headers: Mapping[str, str]) -> bytes:
    """Raises NotDirect for what is no header."""
    return b"".join(_line(f"{name}: {value}") for name, value in headers.items())

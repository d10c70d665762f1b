"""uvicorn's HTTP/1.1 protocol with a short way for plain tool calls: from their bytes to the answer and back.

Seven layers of ASGI stand between the parser and `answer_call`, and the parser calls back for every header; for a call
that the upstream answers at once they cost more than everything else here (benchmarks/call_overhead). What is not plain
goes to the parser and the application as if this file were not there, byte by byte as it came. What the application
checks in front of every route is checked here as well (`gateway.http_guard`); tests/gateway/test_quick_http.py drives
both ways.

Refuses to know: what a plain call is (`gateway.mcp.quick_calls`), and how it is answered.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from gateway.mcp.lazy_timer import LazyTimer
from gateway.mcp.quick_calls import Answer, PlainHead, plain_call, plain_head, respond
from servers.direct.plain_head import BLANK

logger = logging.getLogger(__name__)

PING_S = 15.0  # the first ping turns the answer into a stream; proxies close what is silent for longer

_STREAM = (
    b"content-type: text/event-stream\r\ncache-control: no-cache, no-transform\r\n"
    b"x-accel-buffering: no\r\ntransfer-encoding: chunked\r\n"
)
_PING = b": ping\r\n\r\n"
_FAILED = b"Internal Server Error"


class QuickHttp(HttpToolsProtocol):
    """One connection of a client. Between two requests it looks at what comes before uvicorn's parser does."""

    def __init__(self, answer: Answer, **wiring: Any) -> None:
        super().__init__(**wiring)
        self.quiet = LazyTimer(self.loop, self._too_quiet)
        self._answer = answer
        self._parsing = False  # uvicorn's parser is in the middle of a request
        self._start = b""  # the bytes of `_head`
        self._head: PlainHead | None = None  # of what may be a plain call, while its body comes
        self._body = bytearray()
        self._under_way: _UnderWay | None = None
        self._common: tuple[list[tuple[bytes, bytes]], bytes] = ([], b"")

    def data_received(self, data: bytes) -> None:
        if self._head is not None:
            self._body += data  # `plain_head` has seen how much it will be
            self._take(self._head, self._body)
            return
        # A request behind another one, or the rest of one: left to those who know what that means.
        cycle = cast("RequestResponseCycle | None", self.cycle)  # None until the first request, whatever its type says
        between = not self._parsing and (cycle is None or cycle.response_complete)
        start, blank, body = data.partition(BLANK) if between else (b"", b"", b"")
        head = plain_head(start) if blank else None
        if head is None or self.transport.is_closing():
            self._leave(data)
            return
        self._unset_keepalive_if_required()
        self._start = start
        self._take(head, body)

    def on_message_begin(self) -> None:
        self._parsing = True
        super().on_message_begin()

    def on_message_complete(self) -> None:
        self._parsing = False
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self.quiet.cancel()
        super().connection_lost(exc)

    def answered(self) -> None:
        """What uvicorn does when an answer is written, but for a timer of its own."""
        self._under_way = None
        if self.pipeline:
            self.quiet.put_off()
            self.on_response_complete()
        else:
            self.server_state.total_requests += 1
            self.quiet.set_for(self.timeout_keep_alive)

    def common_lines(self) -> bytes:
        """Of every answer. uvicorn makes a new list every second, with the time in it, and changes none."""
        headers = self.server_state.default_headers
        if self._common[0] is not headers:
            self._common = (headers, b"".join([b"%b: %b\r\n" % header for header in headers]))
        return self._common[1]

    def _take(self, head: PlainHead, body: bytes | bytearray) -> None:
        """Answer a request whose body is there, or wait for the rest of it."""
        if len(body) < head.length:
            self.quiet.put_off()
            self._head, self._body = head, bytearray(body)
            return
        self._head, self._body = None, bytearray()
        call = plain_call(body[: head.length], head)
        if call is None:
            self._leave(self._start + BLANK + body)
            return
        self._under_way = _UnderWay(self, call)
        self.cycle = cast("RequestResponseCycle", self._under_way)  # all that the protocol asks of one
        self._under_way.begin(self._answer)
        if len(body) > head.length:
            self._leave(bytes(body[head.length :]))  # the next one, sent without waiting

    def _leave(self, data: bytes) -> None:
        """To uvicorn."""
        if self._under_way is None:
            self.quiet.put_off()
        super().data_received(data)

    def _too_quiet(self) -> None:
        if self._under_way is not None:
            self._under_way.ping()
        else:
            self.timeout_keep_alive_handler()


class _UnderWay:
    """A plain call between its request and its answer; in the eyes of uvicorn's protocol, a RequestResponseCycle."""

    def __init__(self, http: QuickHttp, call: Mapping[str, Any]) -> None:
        self.response_complete = False
        self.disconnected = False  # set by the protocol, which then calls `message_event.set()`
        self.keep_alive = True  # the protocol unsets it when the server is told to stop
        self.message_event = self
        self._http = http
        self._call = call
        self._streaming = False

    def begin(self, answer: Answer) -> None:
        self._http.quiet.set_for(PING_S)
        self._task = self._http.loop.create_task(self._run(answer))
        self._http.tasks.add(self._task)  # a server that stops waits for it

    def set(self) -> None:
        """The connection is lost: a client that leaves cancels its call."""
        if self.disconnected and not self.response_complete:
            self._task.cancel()

    async def _run(self, answer: Answer) -> None:
        try:
            status, body = await respond(self._call, answer)
            if self._http.flow.write_paused:
                await self._http.flow.drain()
            self._finish(status, body)
        except asyncio.CancelledError:
            self._abandon()
            if not self.disconnected:
                raise
        except Exception:  # outermost: whatever fails in a call, its client hears of it
            logger.exception("a call failed in an unforeseen way")
            if self._streaming:
                self._abandon()
            else:
                self.keep_alive = False
                self._finish(500, _FAILED, b"text/plain; charset=utf-8")
        finally:
            self._http.tasks.discard(self._task)

    def _finish(self, status: int, body: bytes, media: bytes = b"application/json") -> None:
        transport = self._http.transport
        if self.disconnected or transport.is_closing():
            return
        if self._streaming:
            transport.write(_chunk(b"event: message\r\ndata: " + body + b"\r\n\r\n") + b"0\r\n\r\n")
        else:
            framing = b"content-type: %b\r\ncontent-length: %d\r\n" % (media, len(body))
            transport.write(self._start(status, framing) + body)
        self.response_complete = True
        if not self.keep_alive:
            transport.close()
            return
        self._http.answered()

    def _abandon(self) -> None:
        """Half an answer, or none: the connection's end says so."""
        self.response_complete = True
        self._http.transport.close()

    def ping(self) -> None:
        """Say that the call is still under way."""
        self._http.quiet.set_for(PING_S)
        if self._http.flow.write_paused:
            return  # the client does not read what it was sent before
        start = b"" if self._streaming else self._start(200, _STREAM)
        self._streaming = True
        self._http.transport.write(start + _chunk(_PING))

    def _start(self, status: int, framing: bytes) -> bytes:
        common = self._http.common_lines()
        ending = b"\r\n" if self.keep_alive else b"connection: close\r\n\r\n"
        return b"%b%b%b%b" % (STATUS_LINE[status], common, framing, ending)


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)

"""HTTP servers that are not what they should be: each failure is named, none reaches the caller as a cancellation."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus

import pytest

from domain.errors import UpstreamError, UpstreamProtocolError, UpstreamTimeout, UpstreamUnreachable
from domain.servers import Launch, Transport, UpstreamServer
from servers.limits import Caps, Deadlines, Limits
from servers.pool import ServerPool
from servers.transports.tls import tls_context

pytestmark = pytest.mark.anyio

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
SECRET = "bearer-s3cret-value"


@asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[str]:
    """A raw HTTP server that reads one request's head and lets `answer` do the rest."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            await answer(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/mcp"
    finally:
        server.close()


def says(status: int, body: bytes = b"", media: str = "text/html", extra: str = "") -> Answer:
    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        phrase = HTTPStatus(status).phrase
        head = f"HTTP/1.1 {status} {phrase}\r\ncontent-type: {media}\r\n{extra}content-length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()

    return answer


async def silence(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.read()  # until the other side has had enough
    await reader.read()


async def breaks_off(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{"jsonrpc"')
    await writer.drain()


async def hangs_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


BOTH = (Transport.STREAMABLE_HTTP, Transport.SSE)
FAULTS: list[tuple[str, Answer, type[UpstreamError], str]] = [
    ("html", says(200, b"<html>Welcome</html>"), UpstreamProtocolError, "instead of MCP messages; check that its URL"),
    ("not-found", says(404), UpstreamUnreachable, r"offers no MCP endpoint at http://127.* \(HTTP 404\)"),
    ("unauthorised", says(401), UpstreamUnreachable, r"refused our credentials \(HTTP 401\); set the header"),
    ("busy", says(429), UpstreamUnreachable, r"asks us to slow down \(HTTP 429\)"),
    ("broken", says(500, b"Traceback: " + SECRET.encode()), UpstreamUnreachable, "answered HTTP 500 at http"),
    ("hangs-up", hangs_up, UpstreamUnreachable, "'up' (broke the connection|cannot be reached)"),
    ("silence", silence, UpstreamTimeout, "did not complete the handshake within 1 s"),
]


@pytest.mark.parametrize("transport", BOTH)
@pytest.mark.parametrize(("answer", "kind", "sentence"), [fault[1:] for fault in FAULTS], ids=[f[0] for f in FAULTS])
async def test_a_server_that_cannot_be_talked_to_says_why(
    transport: Transport, answer: Answer, kind: type[UpstreamError], sentence: str
) -> None:
    async with serving(answer) as url:
        started = time.monotonic()
        error = await failure_of(transport, url)
        assert time.monotonic() - started < 2.0
    assert isinstance(error, kind), error
    assert re.search(sentence, error.message), error.message
    assert SECRET not in error.message


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (breaks_off, "broke the connection before it answered"),
        (says(200, b"{" + b" " * 200_000, "application/json"), "compressed or larger than we read"),
        (says(200, b"x", "application/json", "content-encoding: gzip\r\n"), "compressed or larger than we read"),
        (says(200, b"not json", "application/json"), "'up' (refused the handshake|gave no usable answer)"),
        (says(202), "'up' (refused the handshake|gave no usable answer)"),
        (says(307, extra="location: http://127.0.0.2:1/elsewhere\r\n"), "Redirect to .* not followed"),
    ],
    ids=["breaks-off", "too-large", "compressed", "no-json", "accepted-only", "redirect"],
)
async def test_an_answer_that_is_none_says_why(answer: Answer, sentence: str) -> None:
    async with serving(answer) as url:
        error = await failure_of(Transport.STREAMABLE_HTTP, url)
    assert re.search(sentence, error.message), error.message


@pytest.mark.parametrize("transport", BOTH)
async def test_a_refused_connection_is_named_at_once_and_cancels_nobody(transport: Transport) -> None:
    async with serving(silence) as url:
        pass
    error = await failure_of(transport, url)
    assert isinstance(error, UpstreamUnreachable)
    assert error.message.startswith(f"Server 'up' cannot be reached at {url}")
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_a_name_that_does_not_resolve_is_named() -> None:
    error = await failure_of(Transport.STREAMABLE_HTTP, "http://no-such-host.invalid/mcp")
    assert isinstance(error, UpstreamUnreachable)


async def test_all_connections_share_one_tls_context() -> None:
    assert tls_context() is tls_context()


async def failure_of(transport: Transport, url: str) -> UpstreamError:
    limits = Limits(Deadlines(connect_s=1.0, probe_s=0.5, stop_s=0.2), Caps(message_bytes=100_000))
    pool = ServerPool(limits)
    launch = Launch(transport, url=url, headers={"Authorization": f"Bearer {SECRET}"})
    try:
        with pytest.raises(UpstreamError) as failure:
            await pool.list_tools(UpstreamServer("t", "up", "Up", launch))
    finally:
        await pool.aclose()
    return failure.value

"""The short way to servers of the current revision: what it writes, and how long it keeps a connection."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.servers import Launch, Transport, UpstreamServer
from servers.direct import http as direct_http
from servers.direct.calls import DirectCalls
from servers.idle_sockets import IdleSockets
from servers.limits import Limits
from servers.negotiation import Era, Peer
from servers.requests import RawRequest, stamped

pytestmark = pytest.mark.anyio

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
PEER = Peer(Era.MODERN, "2026-07-28", "echo", None, None, has_tools=True, announces_changes=False)


class Upstream:
    """Answers every request with its own params, and counts connections."""

    def __init__(self) -> None:
        self.connections = 0
        self.open = 0
        self.requests: list[tuple[dict[str, str], Any]] = []
        self.closed = asyncio.Event()
        self.answers = 1  # to each request

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        try:
            while head := await self._head(reader):
                message = json.loads(await reader.readexactly(int(head["content-length"])))
                self.requests.append((head, message))
                result = {"jsonrpc": "2.0", "id": message["id"], "result": {"got": message["params"]}}
                body = json.dumps(result).encode()
                start = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
                writer.write((start % len(body) + body) * self.answers)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client left
        finally:
            self.open -= 1
            self.closed.set()
            writer.close()

    async def _head(self, reader: asyncio.StreamReader) -> dict[str, str]:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[1:-2]
        return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


@asynccontextmanager
async def calling(sockets: IdleSockets[Any] | None = None) -> AsyncIterator[tuple[Upstream, DirectCalls]]:
    upstream = Upstream()
    limits = Limits(idle_sockets=sockets or IdleSockets())
    server = await asyncio.start_server(upstream.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    launch = Launch(Transport.STREAMABLE_HTTP, url=f"http://127.0.0.1:{port}/mcp")
    calls = DirectCalls(UpstreamServer("t", "echo", "Echo", launch), limits, PEER)
    try:
        yield upstream, calls
    finally:
        calls.http.close()
        limits.idle_sockets.close()
        server.close()


async def test_what_is_written_from_parts_is_what_the_stamped_request_says() -> None:
    async with calling() as (_, calls):

        @given(TEXT, st.dictionaries(TEXT, JSON, max_size=3), st.integers(1))
        def check(name: str, arguments: dict[str, Any], number: int) -> None:
            request = RawRequest("tools/call", {"name": name, "arguments": arguments})
            params, headers = stamped(PEER, request)
            for _ in range(2):  # the second one's head was written before
                head, body = calls._written(request, number)
                message = {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}
                assert json.loads(body) == message
                assert head == direct_http.header_lines(headers)

        check()


async def test_calls_with_mirrored_arguments_or_a_meta_of_their_own_are_stamped_anew() -> None:
    async with calling() as (upstream, calls):
        params = {"name": "echo", "arguments": {"region": "eu"}}
        await calls.request(RawRequest("tools/call", params, {("region",): "Region"}))
        await calls.request(RawRequest("tools/call", params))
        await calls.request(RawRequest("tools/call", {**params, "_meta": {"x/y": 1}}))
        (mirrored, _), (plain, _), (_, with_meta) = upstream.requests
        assert mirrored["mcp-param-region"] == "eu"
        assert "mcp-param-region" not in plain
        assert with_meta["params"]["_meta"]["x/y"] == 1


async def test_a_connection_that_answers_twice_is_used_for_nobody_else() -> None:
    async with calling() as (upstream, calls):
        upstream.answers = 2
        for number in range(2):
            found = await calls.request(RawRequest("tools/call", {"name": "echo", "arguments": {"n": number}}))
            assert found["got"]["arguments"] == {"n": number}
        assert upstream.connections == 2


async def test_one_connection_serves_calls_one_after_the_other_and_is_closed_when_idle() -> None:
    sockets: IdleSockets[Any] = IdleSockets(keep_s=0.2)
    async with calling(sockets) as (upstream, calls):
        for _ in range(3):
            await calls.request(RawRequest("tools/call", {"name": "echo", "arguments": {}}))
        assert (upstream.connections, upstream.open) == (1, 1)
        sockets.close()
        await asyncio.wait_for(upstream.closed.wait(), 5)
        upstream.closed.clear()
        await asyncio.gather(
            *(calls.request(RawRequest("tools/call", {"name": "echo", "arguments": {}})) for _ in range(3))
        )
        while upstream.open:
            await asyncio.wait_for(upstream.closed.wait(), 5)
            upstream.closed.clear()
        assert upstream.connections == 4

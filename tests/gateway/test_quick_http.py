"""The short way over real connections: what it answers, and that the application sees the rest as it came."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from gateway.mcp import quick_http
from gateway.mcp.quick_calls import BODY_BYTES
from tests.gateway.plain_calls import HEAD, Wire, a_call, request, serving

pytestmark = pytest.mark.anyio

CALL = json.dumps(a_call(), ensure_ascii=False).encode()
PLAIN = request(CALL)


async def echo(_name: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"content": [{"type": "text", "text": arguments.get("text", "")}]}


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Says what it got."""
    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    said = f"{scope['method']} {scope['path']} {len(scope['headers'])} headers ".encode() + body
    headers = [(b"content-length", str(len(said)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": said})


async def test_calls_one_after_the_other_are_answered_over_one_connection() -> None:
    async with serving(application, echo) as (port, _):
        wire = await Wire.open(port)
        for _ in range(3):
            reply = await wire.ask(PLAIN)
            assert (reply.status, reply.head["content-type"]) == (200, "application/json")
            assert "date" in reply.head
            assert reply.json == {"jsonrpc": "2.0", "id": 7, "result": {"content": [{"type": "text", "text": "ö"}]}}
        await wire.close()


async def test_a_call_whose_body_comes_byte_by_byte_is_answered_the_same() -> None:
    async with serving(application, echo) as (port, _):
        wire = await Wire.open(port)
        head = len(PLAIN) - len(CALL)
        await wire.send_in_pieces(PLAIN[:head], *(PLAIN[at : at + 1] for at in range(head, len(PLAIN))))
        assert (await wire.read()).json["result"]["content"][0]["text"] == "ö"
        await wire.close()


async def test_a_call_whose_head_comes_in_pieces_reaches_the_application_as_it_came() -> None:
    async with serving(application, echo) as (port, _):
        wire = await Wire.open(port)
        await wire.send_in_pieces(*(PLAIN[at : at + 1] for at in range(len(PLAIN))))
        assert (await wire.read()).body == b"POST /mcp 7 headers " + CALL
        assert (await wire.ask(PLAIN)).json["id"] == 7
        await wire.close()


@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        (request(b"{"), b"POST /mcp 7 headers {"),
        (request(CALL, {**HEAD, b"mcp-method": b"tools/list"}), b"POST /mcp 7 headers " + CALL),
        (request(CALL, {**HEAD, b"mcp-name": b"other"}), b"POST /mcp 7 headers " + CALL),
        (request(CALL, HEAD, b"mcp-name: echo"), b"POST /mcp 8 headers " + CALL),
        (request(CALL, line=b"PUT /mcp HTTP/1.1"), b"PUT /mcp 7 headers " + CALL),
        (request(CALL, line=b"POST /mcp/ HTTP/1.1"), b"POST /mcp/ 7 headers " + CALL),
        (request(b" " * BODY_BYTES + CALL), b"POST /mcp 7 headers " + b" " * BODY_BYTES + CALL),
        (
            request(b"%x\r\n%b\r\n0\r\n\r\n" % (len(CALL), CALL), {**HEAD, b"transfer-encoding": b"chunked"}),
            b"POST /mcp 7 headers " + CALL,
        ),
        (b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n", b"GET /healthz 1 headers "),
    ],
)
async def test_what_is_not_plain_reaches_the_application_as_it_came_and_the_connection_stays(
    sent: bytes, seen: bytes
) -> None:
    async with serving(application, echo) as (port, _):
        wire = await Wire.open(port)
        assert (await wire.ask(sent)).body == seen
        assert (await wire.ask(PLAIN)).json["id"] == 7
        await wire.close()


async def test_what_asks_to_be_continued_first_is_left_to_the_application() -> None:
    async with serving(application, echo) as (port, _):
        wire = await Wire.open(port)
        head, _, body = request(CALL, HEAD, b"expect: 100-continue").partition(b"\r\n\r\n")
        wire.writer.write(head + b"\r\n\r\n")
        assert await wire.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert (await wire.ask(body)).body == b"POST /mcp 8 headers " + CALL
        await wire.close()


async def test_requests_sent_without_waiting_are_answered_in_their_order() -> None:
    async with serving(application, echo) as (port, _):
        wire = await Wire.open(port)
        other = request(b"x", line=b"POST /other HTTP/1.1")
        wire.writer.write(PLAIN + other + PLAIN + PLAIN)
        assert (await wire.read()).json["id"] == 7
        assert (await wire.read()).body.startswith(b"POST /other")
        # Behind another one even a plain call goes to the application: order is uvicorn's business.
        assert {(await wire.read()).body for _ in range(2)} == {b"POST /mcp 7 headers " + CALL}
        await wire.close()


async def test_a_client_that_leaves_cancels_its_call() -> None:
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def forever(_name: str, _arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            begun.set()
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return {}

    async with serving(application, forever) as (port, server):
        wire = await Wire.open(port)
        wire.writer.write(PLAIN)
        await asyncio.wait_for(begun.wait(), 5)
        await wire.close()
        await asyncio.wait_for(cancelled.wait(), 5)
        assert not server.server_state.connections


async def test_a_long_call_becomes_a_stream_that_is_kept_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quick_http, "PING_S", 0.01)
    pinged = asyncio.Event()

    async def patient(_name: str, _arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        await pinged.wait()
        return {"content": []}

    async with serving(application, patient) as (port, _):
        wire = await Wire.open(port)
        wire.writer.write(PLAIN)
        head = await wire.reader.readuntil(b"\r\n\r\n")
        assert b"content-type: text/event-stream" in head
        assert await wire.reader.readuntil(b": ping\r\n\r\n\r\n") == b"a\r\n: ping\r\n\r\n\r\n"
        pinged.set()
        rest = await wire.reader.readuntil(b"\r\n0\r\n\r\n")
        event = rest.partition(b"event: message\r\ndata: ")[2].partition(b"\r\n")[0]
        assert json.loads(event) == {"jsonrpc": "2.0", "id": 7, "result": {"content": []}}
        monkeypatch.setattr(quick_http, "PING_S", 15.0)
        assert (await wire.ask(PLAIN)).status == 200
        await wire.close()


async def test_a_call_that_fails_in_an_unforeseen_way_is_an_internal_error(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(_name: str, _arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        raise ZeroDivisionError

    async with serving(application, broken) as (port, _):
        wire = await Wire.open(port)
        reply = await wire.ask(PLAIN)
        assert (reply.status, reply.body, reply.head["connection"]) == (500, b"Internal Server Error", "close")
        assert await wire.reader.read() == b""
        await wire.close()
    assert "ZeroDivisionError" in caplog.text


async def test_a_server_that_stops_lets_calls_under_way_finish_and_closes_their_connections() -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(_name: str, _arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        begun.set()
        await go_on.wait()
        return {"content": []}

    wire: Wire | None = None
    async with serving(application, slow) as (port, server):
        wire = await Wire.open(port)
        wire.writer.write(PLAIN)
        await asyncio.wait_for(begun.wait(), 5)
        for connection in list(server.server_state.connections):
            connection.shutdown()
        go_on.set()
        reply = await wire.read()
    assert (reply.status, reply.head["connection"]) == (200, "close")
    await wire.close()

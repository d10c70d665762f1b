"""The short way in: plain calls are answered, everything else reaches the application behind as it came."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest
from mcp.shared.exceptions import MCPError
from starlette.types import Message, Receive, Scope, Send

from gateway.mcp import quick_calls
from gateway.mcp.quick_calls import QuickCalls

pytestmark = pytest.mark.anyio

META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}
HEADERS = {
    "content-type": "application/json",
    "accept": "application/json, text/event-stream",
    "mcp-protocol-version": "2026-07-28",
    "mcp-method": "tools/call",
    "mcp-name": "echo",
}


def a_call(**changes: Any) -> dict[str, Any]:
    params = {"name": "echo", "arguments": {"text": "ö"}, "_meta": META} | changes
    return {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params}


class Exchange:
    """One request to a QuickCalls in front of an application that notes the bodies it gets."""

    def __init__(self, body: bytes, headers: Mapping[str, str] = HEADERS) -> None:
        self.behind: list[bytes] = []
        self.sent: list[Message] = []
        self.asked: list[tuple[str, Mapping[str, Any]]] = []
        self.left = asyncio.Event()
        self.ping = asyncio.Event()
        self._body: bytes | None = body
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        self._scope: Scope = {"type": "http", "path": "/mcp", "method": "POST", "headers": raw}

    async def run(self, answer: quick_calls.Answer | None = None) -> None:
        await QuickCalls(self._application, "/mcp", answer or self._answer)(self._scope, self._receive, self._send)

    @property
    def message(self) -> Any:
        return json.loads(self.sent[1]["body"])

    async def _answer(self, name: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        self.asked.append((name, arguments))
        return {"content": [{"type": "text", "text": arguments.get("text", "")}]}

    async def _receive(self) -> Message:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        self.sent.append(message)
        if message.get("body", b"").startswith(b": ping"):
            self.ping.set()

    async def _application(self, _scope: Scope, receive: Receive, _send: Send) -> None:
        message = await receive()
        assert not message["more_body"]
        self.behind.append(message["body"])


async def test_a_plain_call_is_answered_with_its_id_and_untouched_result() -> None:
    exchange = Exchange(json.dumps(a_call()).encode())
    await exchange.run()
    assert exchange.asked == [("echo", {"text": "ö"})]
    assert exchange.sent[0]["status"] == 200
    assert exchange.message == {"jsonrpc": "2.0", "id": 7, "result": {"content": [{"type": "text", "text": "ö"}]}}
    assert exchange.behind == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        json.dumps([a_call()]).encode(),
        json.dumps(a_call() | {"id": None}).encode(),
        json.dumps(a_call() | {"method": "tools/list"}).encode(),
        json.dumps(a_call(name="other")).encode(),  # the header says echo
        json.dumps(a_call(name=5)).encode(),
        json.dumps(a_call(arguments=[])).encode(),
        json.dumps(a_call(_meta={})).encode(),
        json.dumps(a_call(_meta={**META, "progressToken": 1})).encode(),
        json.dumps(a_call(requestState="x")).encode(),
        b"[" * 100_000,
    ],
)
async def test_what_is_not_plain_reaches_the_application_behind_as_it_came(body: bytes) -> None:
    exchange = Exchange(body)
    await exchange.run()
    assert (exchange.behind, exchange.asked) == ([body], [])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mcp-protocol-version", "2025-11-25"),
        ("mcp-protocol-version", "2099-01-01"),
        ("mcp-method", "tools/list"),
        ("mcp-name", "other"),
        ("accept", "application/json"),
        ("content-type", "text/plain"),
    ],
)
async def test_headers_that_are_not_of_a_plain_call_leave_it_to_the_application_behind(name: str, value: str) -> None:
    body = json.dumps(a_call()).encode()
    exchange = Exchange(body, {**HEADERS, name: value})
    await exchange.run()
    assert (exchange.behind, exchange.asked) == ([body], [])


async def test_a_protocol_error_of_the_upstream_keeps_its_code_and_data() -> None:
    async def refuse(_name: str, _arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        raise MCPError(-32602, "no such tool", {"tool": "echo"})

    exchange = Exchange(json.dumps(a_call()).encode())
    await exchange.run(refuse)
    assert exchange.sent[0]["status"] == 400
    assert exchange.message["error"] == {"code": -32602, "message": "no such tool", "data": {"tool": "echo"}}


async def test_a_client_that_leaves_cancels_its_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quick_calls, "LOOK_S", 0.0)
    cancelled = asyncio.Event()

    async def forever(_name: str, _arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return {}

    exchange = Exchange(json.dumps(a_call()).encode())
    running = asyncio.create_task(exchange.run(forever))
    exchange.left.set()
    await asyncio.wait_for(running, 5)
    assert cancelled.is_set()
    assert exchange.sent == []


async def test_a_long_call_becomes_a_stream_that_is_kept_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quick_calls, "LOOK_S", 0.0)
    monkeypatch.setattr(quick_calls, "PING_S", 0.01)
    exchange = Exchange(json.dumps(a_call()).encode())

    async def patient(_name: str, _arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        await exchange.ping.wait()
        return {"content": []}

    await asyncio.wait_for(exchange.run(patient), 5)
    assert dict(exchange.sent[0]["headers"])[b"content-type"] == b"text/event-stream"
    event = exchange.sent[-1]["body"].decode()
    assert event.startswith("event: message\r\ndata: ")
    assert json.loads(event.split("data: ")[1]) == {"jsonrpc": "2.0", "id": 7, "result": {"content": []}}

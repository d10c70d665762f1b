"""Which calls are plain, and what is answered to them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from mcp.shared.exceptions import MCPError

from gateway.mcp.quick_calls import PlainHead, plain_call, plain_head, respond
from tests.gateway.plain_calls import HEAD, META, a_call, request

pytestmark = pytest.mark.anyio

BODY = json.dumps(a_call()).encode()


def head_of(sent: bytes) -> bytes:
    return sent.partition(b"\r\n\r\n")[0]


def plain(head: Mapping[bytes, bytes] = HEAD, *more: bytes) -> PlainHead | None:
    return plain_head(head_of(request(BODY, head, *more)))


def the_plain_head() -> PlainHead:
    head = plain()
    assert head is not None
    return head


async def echo(_name: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"content": [{"type": "text", "text": arguments.get("text", "")}]}


async def test_a_plain_call_is_answered_with_its_id_and_untouched_result() -> None:
    call = plain_call(BODY, the_plain_head())
    assert call is not None
    status, body = await respond(call, echo)
    assert status == 200
    assert json.loads(body) == {"jsonrpc": "2.0", "id": 7, "result": {"content": [{"type": "text", "text": "ö"}]}}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        json.dumps([a_call()]).encode(),
        json.dumps(a_call() | {"id": None}).encode(),
        json.dumps(a_call() | {"id": True}).encode(),
        json.dumps(a_call() | {"method": "tools/list"}).encode(),
        json.dumps(a_call() | {"jsonrpc": "1.0"}).encode(),
        json.dumps(a_call(name="other")).encode(),  # the header says echo
        json.dumps(a_call(name=5)).encode(),
        json.dumps(a_call(arguments=[])).encode(),
        json.dumps(a_call(_meta={})).encode(),
        json.dumps(a_call(_meta={**META, "progressToken": 1})).encode(),
        json.dumps(a_call(requestState="x")).encode(),
        b"[" * 100_000,
        b"\xff",
    ],
)
def test_what_is_not_plain_is_left_to_the_sdk(body: bytes) -> None:
    assert plain_call(body, the_plain_head()) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"mcp-protocol-version", b"2025-11-25"),
        (b"mcp-protocol-version", b"2099-01-01"),
        (b"mcp-method", b"tools/list"),
        (b"accept", b"application/json"),
        (b"content-type", b"text/plain"),
        (b"host", b"evil.example"),
        (b"origin", b"https://evil.example"),
        (b"connection", b"close"),
        (b"transfer-encoding", b"chunked"),
        (b"expect", b"100-continue"),
        (b"content-length", b"4194305"),
    ],
)
def test_a_head_that_is_not_of_a_plain_call_is_left_to_the_application(name: bytes, value: bytes) -> None:
    assert plain() == PlainHead(len(BODY), "2026-07-28", "echo")
    assert plain({**HEAD, name: value}) is None


@pytest.mark.parametrize("target", [b"/mcp/", b"/mcp?x=1", b"/mcp/servers/echo", b"/api/v1/call", b"http://a/mcp"])
def test_another_address_is_left_to_the_application(target: bytes) -> None:
    assert plain_head(head_of(request(BODY, line=b"POST %b HTTP/1.1" % target))) is None


async def test_a_protocol_error_of_the_upstream_keeps_its_code_and_data() -> None:
    async def refuse(_name: str, _arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        raise MCPError(-32602, "no such tool", {"tool": "echo"})

    status, body = await respond(a_call(), refuse)
    assert status == 400
    assert json.loads(body)["error"] == {"code": -32602, "message": "no such tool", "data": {"tool": "echo"}}

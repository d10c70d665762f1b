"""What a modern server leaves out of a result that the specification lets it leave out."""

from __future__ import annotations

import socket
from typing import Any

import mcp_types as types
import pytest
from mcp import Client
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from domain.servers import Launch, Transport, UpstreamServer
from servers.limits import Limits
from tests.conformance.client import open_door
from tests.upstreams.authorization import listening

pytestmark = pytest.mark.anyio

_RESULTS: dict[str, dict[str, Any]] = {
    "server/discover": {
        "supportedVersions": ["2026-07-28"],
        "capabilities": {"tools": {}},
        "serverInfo": {"name": "terse", "version": "1"},
        "ttlMs": 0,
        "cacheScope": "private",
        "resultType": "complete",
    },
    "tools/list": {
        "tools": [{"name": "anything", "inputSchema": {"type": "object"}}],
        "ttlMs": 0,
        "cacheScope": "private",
    },
    "tools/call": {"content": [{"type": "text", "text": "done"}]},
}


async def _answer(request: Request) -> JSONResponse:
    message = await request.json()
    result = _RESULTS[message["method"]]
    return JSONResponse({"jsonrpc": "2.0", "id": message.get("id"), "result": result})


async def test_a_result_that_does_not_say_its_type_is_complete() -> None:
    """SEP-2322; a client of the SDK refuses a result without a type."""
    app = Starlette(routes=[Route("/mcp", _answer, methods=["POST"])])
    with socket.create_server(("127.0.0.1", 0)) as listener:
        launch = Launch(Transport.STREAMABLE_HTTP, url=f"http://127.0.0.1:{listener.getsockname()[1]}/mcp")
        server = UpstreamServer("local", "up", "Up", launch)
        async with listening(listener, app), open_door(server, Limits()) as url, Client(url) as client:
            result = await client.call_tool("anything", {})
    assert isinstance(result.content[0], types.TextContent)
    assert result.content[0].text == "done"

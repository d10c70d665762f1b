"""The tasks extension: nobody is told that it is there, and who asks all the same learns its name."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from gateway.mcp.tasks import EXTENSION, METHODS
from gateway.runner import run_gateway
from gateway.settings import Settings

pytestmark = pytest.mark.anyio

CLIENT = {"name": "test", "version": "1"}
MODERN = "2026-07-28"
HANDSHAKE = "2025-11-25"


class Wire:
    """JSON-RPC over HTTP by hand, since no SDK sends what is not offered."""

    def __init__(self, http: httpx2.AsyncClient, version: str) -> None:
        self._http = http
        self._version = version
        self._headers = {"Accept": "application/json, text/event-stream"}

    async def open(self) -> dict[str, Any]:
        """What the server says it can do, to a client that could have tasks."""
        if self._version == MODERN:
            said = await self.send("server/discover")
        else:
            able: dict[str, Any] = {"tasks": {"requests": {"tools": {"call": {}}}}}
            hello = {"protocolVersion": self._version, "capabilities": able, "clientInfo": CLIENT}
            said = await self.send("initialize", **hello)
            body = {"jsonrpc": "2.0", "method": "notifications/initialized"}
            await self._http.post("/mcp", json=body, headers=self._headers)
        offered: dict[str, Any] = said["result"]["capabilities"]
        return offered

    async def send(self, method: str, **params: Any) -> dict[str, Any]:
        headers = dict(self._headers)
        if self._version == MODERN:
            prefix = "io.modelcontextprotocol/"
            about = {
                "protocolVersion": MODERN,
                "clientInfo": CLIENT,
                "clientCapabilities": {"extensions": {EXTENSION: {}}},
            }
            params["_meta"] = {prefix + key: value for key, value in about.items()}
            headers |= {"MCP-Protocol-Version": MODERN, "Mcp-Method": method}
            headers |= {"Mcp-Name": params["name"]} if "name" in params else {}
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        answer = await self._http.post("/mcp", json=body, headers=headers)
        if session := answer.headers.get("mcp-session-id"):
            self._headers |= {"Mcp-Session-Id": session, "MCP-Protocol-Version": self._version}
        data = [line[5:] for line in answer.text.splitlines() if line.startswith("data:") and line[5:].strip()]
        said: dict[str, Any] = json.loads(data[-1] if data else answer.text)
        return {**said, "status": answer.status_code}


@pytest.fixture(params=[MODERN, HANDSHAKE])
async def wire(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Wire]:
    async with (
        run_gateway(Settings(data=tmp_path / "data", port=0)) as running,
        httpx2.AsyncClient(base_url=running.url) as http,
    ):
        yield Wire(http, request.param)


async def test_tasks_are_not_offered_and_each_of_their_methods_is_refused_by_name(wire: Wire) -> None:
    capabilities = await wire.open()
    assert "tasks" not in capabilities
    assert EXTENSION not in capabilities.get("extensions", {})
    for method in METHODS:
        answer = await wire.send(method, taskId="t-1")
        assert answer["error"]["code"] == -32601
        assert EXTENSION in answer["error"]["message"]
        assert method in answer["error"]["message"]


async def test_a_call_that_asks_to_become_a_task_is_answered_as_a_plain_call(wire: Wire) -> None:
    await wire.open()
    answer = await wire.send(
        "tools/call", name="search_tools", arguments={"queries": ["anything"]}, task={"ttl": 60_000}
    )
    assert answer["status"] == 200
    assert "Session s_" in answer["result"]["content"][-1]["text"]
    assert "taskId" not in json.dumps(answer)

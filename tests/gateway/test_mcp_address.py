"""What `/mcp` says it serves, it serves; and blanks around a header's value mean nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS

from gateway.api.app import make_app
from gateway.settings import Settings
from gateway.wiring import open_toolcrib

pytestmark = pytest.mark.anyio

ACCEPT = {"accept": "application/json, text/event-stream"}
CURRENT = MODERN_PROTOCOL_VERSIONS[-1]
ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": CURRENT,
    "io.modelcontextprotocol/clientInfo": {"name": "t", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[httpx2.AsyncClient]:
    async with open_toolcrib(Settings(data=tmp_path), follow=False) as crib:
        app = make_app(crib)
        async with (
            app.router.lifespan_context(app),
            httpx2.AsyncClient(
                transport=httpx2.ASGITransport(app), base_url="http://127.0.0.1", trust_env=False
            ) as client,
        ):
            yield client


async def ask(http: httpx2.AsyncClient, method: str, params: dict[str, Any], **headers: str) -> dict[str, Any]:
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    response = await http.post("/mcp", json=body, headers={**ACCEPT, **named})
    assert response.status_code == 200, response.text
    text = response.text
    if response.headers["content-type"].startswith("text/event-stream"):
        text = next(line[6:] for line in text.splitlines() if line.startswith("data: {"))
    answer: dict[str, Any] = httpx2.Response(200, text=text).json()["result"]
    return answer


async def test_every_revision_that_is_announced_is_spoken(http: httpx2.AsyncClient) -> None:
    said = await ask(
        http, "server/discover", {"_meta": ENVELOPE}, mcp_protocol_version=CURRENT, mcp_method="server/discover"
    )
    assert said["supportedVersions"] == [*HANDSHAKE_PROTOCOL_VERSIONS, *MODERN_PROTOCOL_VERSIONS]
    assert "tools" in said["capabilities"]
    assert "search_tools first" in said["instructions"]
    for version in HANDSHAKE_PROTOCOL_VERSIONS:
        hello = {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
        assert (await ask(http, "initialize", hello))["protocolVersion"] == version


async def test_blanks_around_a_header_change_nothing(http: httpx2.AsyncClient) -> None:
    result = await ask(
        http,
        "tools/call",
        {"name": "search_tools", "arguments": {"queries": ["anything"]}, "_meta": ENVELOPE},
        mcp_protocol_version=CURRENT,
        mcp_method=" tools/call\t",
        mcp_name="  search_tools  ",
    )
    assert not result.get("isError")

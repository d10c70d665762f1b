"""Two agents at one server that keeps sessions do not meet; one agent finds its own state again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import mcp_types as types
import pytest
from mcp import Client, StdioServerParameters

from domain.servers import Transport
from tests.e2e.running import TOOLCRIB, GatewayProcess, command, command_json, environment, serving
from tests.upstreams.running import http_upstream

pytestmark = pytest.mark.anyio

TOOL = "keeps__own_counter"


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[GatewayProcess]:
    async with http_upstream(Transport.STREAMABLE_HTTP, "--legacy") as upstream:
        with serving(tmp_path) as running:
            assert command(tmp_path, "servers", "add", "keeps", "--url", upstream.url).returncode == 0
            yield running


async def counted(client: Client, session: str | None = None) -> str:
    if session is None:
        result = await client.call_tool(TOOL, {})
    else:
        result = await client.call_tool("call_tool", {"name": TOOL, "arguments": {}, "session": session})
    assert isinstance(result.content[0], types.TextContent)
    return result.content[0].text


async def test_agents_of_every_kind_meet_their_own_state_only(gateway: GatewayProcess) -> None:
    url = f"{gateway.url}/mcp"
    handles = []
    async with Client(url) as client:
        for _ in range(2):
            found = await client.call_tool("search_tools", {"queries": ["count"]})
            handles.append(str(found.content[-1]).partition("Session ")[2].split()[0])
        assert [await counted(client, handle) for handle in (handles[0], handles[1], handles[0])] == ["1", "1", "2"]
    async with Client(url) as later:  # a client that opens a connection for every call
        assert await counted(later, handles[0]) == "3"
    async with Client(url, mode="legacy") as one, Client(url, mode="legacy") as other:
        assert [await counted(client) for client in (one, other, one)] == ["1", "1", "2"]
    host = StdioServerParameters(
        command=TOOLCRIB[0], args=[*TOOLCRIB[1:], "stdio"], env=environment(data=str(gateway.data))
    )
    async with Client(host) as desktop:
        assert [await counted(desktop) for _ in range(2)] == ["1", "2"]


async def test_an_admin_says_who_shares_a_server(gateway: GatewayProcess) -> None:
    assert command_json(gateway.data, "servers", "show", "keeps")["sharing"] == "auto"
    assert command_json(gateway.data, "servers", "share", "keeps", "shared")["sharing"] == "shared"
    url = f"{gateway.url}/mcp"
    async with Client(url, mode="legacy") as one, Client(url, mode="legacy") as other:
        assert [await counted(client) for client in (one, other, one)] == ["1", "2", "3"]
    assert command(gateway.data, "servers", "share", "keeps", "nobody").returncode == 2

"""20 MiB through a real gateway: an agent reads them page by page, over HTTP and stdio, and so does a program."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client, StdioServerParameters
from mcp_types import CallToolResult

from servers.limits import KIB, MIB
from tests.e2e.running import GatewayProcess, command, environment, serving
from tests.upstreams.running import lasting_reference

pytestmark = pytest.mark.anyio

SIZE = 20 * MIB
PAGES = SIZE // (64 * KIB)
REFERENCE = [sys.executable, "-m", "tests.upstreams.reference", "--transport", "stdio"]
READ = "toolcrib__read_result"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    data = tmp_path_factory.mktemp("large")
    with lasting_reference("streamable-http") as upstream, serving(data) as running:
        assert upstream.launch.url is not None
        for arguments in (["ref", "--yes", "--", *REFERENCE], ["web", "--url", upstream.launch.url]):
            added = command(data, "servers", "add", *arguments)
            assert added.returncode == 0, added.stderr
        yield running


def texts(result: CallToolResult) -> list[str]:
    return [getattr(block, "text", "") for block in result.content]


async def read_all(client: Client, tool: str, **more: Any) -> tuple[str, dict[str, Any]]:
    """Call `tool` for 20 MiB, and follow what its answers say until there is no next page."""
    result = await client.call_tool("call_tool", {"name": tool, "arguments": {"bytes": SIZE}, **more})
    assert not result.is_error, texts(result)[0][:300]
    said = [texts(result)[0]]
    first = (result.meta or {})["toolcrib/result"]
    page = first
    while page["next"] is not None:
        assert f'"page": {page["next"]}' in texts(result)[-1]
        asked = {"handle": page["handle"], "page": page["next"]}
        result = await client.call_tool("call_tool", {"name": READ, "arguments": asked})
        said.append(texts(result)[0])
        page = (result.meta or {})["toolcrib/result"]
    assert texts(result)[-1].endswith("It ends here.]")
    return "".join(said), first


@pytest.mark.parametrize("tool", ["ref__big", "web__big"])
async def test_an_agent_reads_twenty_mebibytes_in_pages(gateway: GatewayProcess, tool: str) -> None:
    async with Client(f"{gateway.url}/mcp") as client:
        text, first = await read_all(client, tool)
        assert (len(text), set(text)) == (SIZE, {"x"})
        assert (first["bytes"], first["pages"], first["page"], first["next"]) == (SIZE, PAGES, 1, 2)
        by_name = await client.call_tool(READ, {"handle": first["handle"], "page": PAGES})
        assert texts(by_name)[0] == "x" * 64 * KIB
        assert READ not in [tool.name for tool in (await client.list_tools()).tools]


async def test_a_client_of_the_handshake_era_reads_them_too(gateway: GatewayProcess) -> None:
    async with Client(f"{gateway.url}/mcp", mode="legacy") as client:
        text, _ = await read_all(client, "web__big")
        assert len(text) == SIZE


async def test_a_host_over_stdio_reads_them_from_the_running_gateway(gateway: GatewayProcess) -> None:
    host = StdioServerParameters(
        command=sys.executable, args=["-m", "gateway.cli", "stdio"], env=environment(data=str(gateway.data))
    )
    async with Client(host) as client:
        text, _ = await read_all(client, "ref__big")
        assert len(text) == SIZE


async def test_two_mebibytes_come_in_pages_to_an_agent_and_whole_to_a_program(gateway: GatewayProcess) -> None:
    size = 2 * MIB
    async with Client(f"{gateway.url}/mcp") as client:
        result = await client.call_tool("ref__big", {"bytes": size})
        assert (result.meta or {})["toolcrib/result"]["pages"] == size // (64 * KIB)
    async with httpx2.AsyncClient(base_url=f"{gateway.url}/api/v1", trust_env=False, timeout=60) as api:
        answer = (await api.post("/call", json={"tool": "ref__big", "arguments": {"bytes": size}})).json()
        assert answer["result"]["content"][0]["text"] == "x" * size
        assert "page" not in answer


async def test_the_api_serves_pages_and_knows_no_other_handle(gateway: GatewayProcess) -> None:
    async with httpx2.AsyncClient(base_url=f"{gateway.url}/api/v1", trust_env=False, timeout=60) as api:
        answer = (await api.post("/call", json={"tool": "web__big", "arguments": {"bytes": SIZE}})).json()
        last = (await api.get(f"/results/{answer['page']['handle']}", params={"page": PAGES})).json()
        assert (last["page"], last["next"], last["text"]) == (PAGES, None, "x" * 64 * KIB)
        unknown = await api.get("/results/r_0123")
        assert (unknown.status_code, unknown.json()["code"]) == (404, "result_not_found")


async def test_the_transparent_profile_cuts_nothing_into_pages(gateway: GatewayProcess) -> None:
    async with Client(f"{gateway.url}/mcp/servers/ref") as client:
        result = await client.call_tool("big", {"bytes": 2 * MIB})
        assert texts(result) == ["x" * 2 * MIB]


def test_the_command_line_prints_all_of_it(gateway: GatewayProcess, tmp_path: Path) -> None:
    arguments = json.dumps({"bytes": SIZE})
    running = command(gateway.data, "call", "web__big", "--arguments", arguments)
    assert (running.returncode, running.stdout) == (0, "x" * SIZE + "\n"), running.stderr
    added = command(tmp_path, "servers", "add", "ref", "--yes", "--", *REFERENCE)
    assert added.returncode == 0, added.stderr
    alone = command(tmp_path, "call", "ref__big", "--arguments", arguments)
    assert (alone.returncode, alone.stdout) == (0, "x" * SIZE + "\n"), alone.stderr

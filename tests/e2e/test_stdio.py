"""`toolcrib stdio` as desktop hosts run it: the first owns the folder, the second attaches, one takes over."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import psutil
import pytest
from mcp import Client, StdioServerParameters

from gateway.data_folder import read_owner
from tests.e2e.running import command, environment

pytestmark = pytest.mark.anyio

REFERENCE = [sys.executable, "-m", "tests.upstreams.reference", "--transport", "stdio"]


def host(data: Path, **settings: str) -> StdioServerParameters:
    return StdioServerParameters(
        command=sys.executable,
        args=["-m", "gateway.cli", "stdio"],
        env=environment(data=str(data), port="0", **settings),
    )


async def echo(client: Client, text: str) -> str:
    result = await client.call_tool("call_tool", {"name": "ref__echo", "arguments": {"text": text}})
    return " ".join(getattr(block, "text", "") for block in result.content)


async def test_a_second_host_attaches_to_the_first_and_takes_over_when_it_dies(tmp_path: Path) -> None:
    added = command(tmp_path, "servers", "add", "ref", "--yes", "--", *REFERENCE)
    assert added.returncode == 0, added.stderr
    async with Client(host(tmp_path)) as owning:
        first_owner = read_owner(tmp_path)
        assert first_owner is not None
        assert await echo(owning, "from the owner") == "from the owner"
        async with Client(host(tmp_path), mode="legacy") as attached:
            assert await echo(attached, "attached") == "attached"
            found = await attached.call_tool("search_tools", {"queries": ["echo a text"]})
            names = [tool["name"] for tool in json.loads(getattr(found.content[0], "text", ""))["results"][0]["tools"]]
            assert "ref__echo" in names
            owner = psutil.Process(first_owner.pid)
            owner.kill()
            psutil.wait_procs([owner], timeout=10)
            assert await echo(attached, "taken over") == "taken over"
            new_owner = read_owner(tmp_path)
            assert new_owner is not None
            assert new_owner.pid != first_owner.pid


async def test_in_passthrough_a_host_sees_the_catalogue_whether_its_process_owns_the_folder_or_not(
    tmp_path: Path,
) -> None:
    added = command(tmp_path, "servers", "add", "ref", "--yes", "--", *REFERENCE)
    assert added.returncode == 0, added.stderr
    through = host(tmp_path, memory_mode="passthrough")
    async with Client(through) as owning, Client(through, mode="legacy") as attached:
        for client in (owning, attached):
            listed = [tool.name for tool in (await client.list_tools()).tools]
            assert listed[:3] == ["search_tools", "call_tool", "remove_tools"]
            assert "ref__echo" in listed

"""An upstream that dies: the caller gets a named error, the next call works, the others never notice."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from tests.e2e.running import GatewayProcess, command, serving

pytestmark = pytest.mark.anyio

REFERENCE = [sys.executable, "-m", "tests.upstreams.reference", "--transport", "stdio"]


def register(gateway: GatewayProcess, name: str) -> None:
    done = command(gateway.data, "servers", "add", name, "--yes", "--", *REFERENCE)
    assert done.returncode == 0, done.stderr


async def call(client: Client, tool: str, **arguments: Any) -> tuple[bool, str]:
    result = await client.call_tool("call_tool", {"name": tool, "arguments": arguments})
    return result.is_error, " ".join(getattr(block, "text", "") for block in result.content)


async def test_a_kill_in_the_middle_of_a_call_is_a_named_error_and_the_next_call_works(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as gateway:
        register(gateway, "victim")
        victims = gateway.children()
        register(gateway, "bystander")
        async with Client(f"{gateway.url}/mcp") as client:
            slow = asyncio.create_task(call(client, "victim__slow", seconds=30))
            other = await call(client, "bystander__echo", text="hello")
            for child in victims:
                child.kill()
            failed, message = await slow
            assert failed
            assert json.loads(message)["error"] == "upstream_unreachable"
            assert "victim" in json.loads(message)["message"]
            assert other == (False, "hello")
            assert await call(client, "victim__echo", text="back") == (False, "back")

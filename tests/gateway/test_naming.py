"""Aliases and descriptions by operators, through the doors: HTTP API, MCP in both eras, command line."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from domain.errors import InvalidInput, NameTaken, ToolNotFound
from gateway.api_client import ApiClient
from gateway.runner import Running, run_gateway
from gateway.settings import Settings
from tests.e2e.running import command, command_json
from tests.upstreams.running import ROOT, stdio_command

pytestmark = pytest.mark.anyio

DESCRIPTION = "Announce the quarterly figures to shareholders."


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Running]:
    """A gateway in front of the reference upstream."""
    async with run_gateway(Settings(data=tmp_path / "data", port=0)) as running, ApiClient(running.url) as api:
        new = {"name": "ref", "transport": "stdio", "command": list(stdio_command("reference")), "cwd": str(ROOT)}
        await api.post("/servers", {**new, "consent": True})
        assert (await api.post("/servers/ref/sync"))["error"] is None
        yield running


async def names(api: ApiClient, query: str) -> list[str]:
    (result,) = (await api.post("/search", {"queries": [query]}))["results"]
    return [candidate["definition"]["name"] for candidate in result["candidates"]]


async def test_a_renamed_tool_is_found_and_called_by_both_names_and_its_upstream_json_stays(gateway: Running) -> None:
    async with ApiClient(gateway.url) as api:
        before = await api.get("/tools/ref__echo")
        changed = await api.patch("/tools/ref__echo", {"alias": "announce", "description": DESCRIPTION})
        assert changed == {**before, "alias": "announce", "description_override": DESCRIPTION}
        assert await api.get("/tools/announce") == changed

        for query in ("announce", "ref__echo", "ref echo", "tell shareholders about quarterly figures"):
            assert "announce" in await names(api, query), query
        assert (await names(api, "announce"))[0] == "announce"
        for name in ("announce", "ref__echo"):
            called = await api.post("/call", {"tool": name, "arguments": {"text": "hello"}})
            assert (called["tool"], called["result"]["content"][0]["text"]) == ("ref__echo", "hello")


async def test_a_reset_tool_is_as_it_was_and_nothing_is_embedded_for_it(gateway: Running) -> None:
    async with ApiClient(gateway.url) as api:
        before = await api.get("/tools/ref__echo")
        await api.patch("/tools/ref__echo", {"alias": "announce", "description": DESCRIPTION})
        assert (await api.patch("/tools/announce", {"description": None}))["alias"] == "announce"
        embedded = gateway.crib.index.counters.embedded
        assert await api.patch("/tools/announce", {"alias": None}) == before
        assert gateway.crib.index.counters.embedded == embedded
        with pytest.raises(ToolNotFound):
            await api.get("/tools/announce")
        assert "ref__echo" in await names(api, "give the text back")


async def test_an_alias_that_is_taken_or_cannot_be_one_is_refused_and_nothing_changes(gateway: Running) -> None:
    async with ApiClient(gateway.url) as api:
        await api.patch("/tools/ref__echo", {"alias": "say"})
        with pytest.raises(NameTaken, match="say"):
            await api.patch("/tools/ref__add", {"alias": "say"})
        for alias in ("ref__add", "call_tool", "two words"):
            with pytest.raises(InvalidInput):
                await api.patch("/tools/ref__echo", {"alias": alias})
        with pytest.raises(ToolNotFound):
            await api.patch("/tools/ref__none", {"alias": "none"})
        assert (await api.get("/tools/ref__echo"))["alias"] == "say"
        assert (await api.get("/tools/ref__add"))["alias"] is None


async def test_a_sync_keeps_what_operators_laid_over_a_tool(gateway: Running) -> None:
    async with ApiClient(gateway.url) as api:
        await api.patch("/tools/ref__echo", {"alias": "say", "description": DESCRIPTION})
        run = await api.post("/servers/ref/sync")
        assert (run["changed"], run["embedded"]) == (0, 0)
        assert "say" in await names(api, DESCRIPTION)


@pytest.mark.parametrize("era", ["auto", "legacy"])
async def test_an_agent_sees_uses_and_gives_back_the_alias(gateway: Running, era: str) -> None:
    async with ApiClient(gateway.url) as api:
        await api.patch("/tools/ref__echo", {"alias": "say", "description": DESCRIPTION})
    async with Client(f"{gateway.url}/mcp", mode=era) as client:
        found = await client.call_tool("search_tools", {"queries": [DESCRIPTION, "say"]})
        first, second = json.loads(text(found))["results"]
        definition = next(tool for tool in first["tools"] if tool["name"] == "say")
        assert definition["description"] == DESCRIPTION
        assert {"name": "say"} in second["tools"]
        session = text(found, -1).split()[1]
        for name in ("say", "ref__echo"):
            arguments = {"name": name, "arguments": {"text": "hello"}, "session": session}
            called = await client.call_tool("call_tool", arguments)
            assert text(called) == "hello"
            assert "reference" not in json.dumps((called.meta or {}).get("io.modelcontextprotocol/serverInfo"))
        assert text(await client.call_tool("say", {"text": "by its own name"})) == "by its own name"
        removed = await client.call_tool("remove_tools", {"names": ["say", "sey"], "session": session})
        assert json.loads(text(removed)) == {"removed": ["say"], "unknown": ["sey"]}


def text(result: Any, at: int = 0) -> str:
    assert not result.is_error
    said: str = result.content[at].text
    return said


def test_the_command_line_names_describes_and_resets(tmp_path: Path) -> None:
    added = command(tmp_path, "servers", "add", "ref", "--yes", "--", *stdio_command("reference"))
    assert added.returncode == 0, added.stderr
    assert command_json(tmp_path, "tools", "alias", "ref__echo", "say")["alias"] == "say"
    assert command_json(tmp_path, "tools", "describe", "say", DESCRIPTION)["description_override"] == DESCRIPTION
    assert command(tmp_path, "call", "say", "--arguments", '{"text": "hello"}').stdout == "hello\n"
    reset = command_json(tmp_path, "tools", "reset", "say", "--alias")
    assert (reset["alias"], reset["description_override"]) == (None, DESCRIPTION)
    failed = command(tmp_path, "tools", "alias", "ref__echo", "a__b")
    assert failed.returncode == 1
    assert "two underscores" in failed.stderr

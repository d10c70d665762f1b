"""Real clients of both protocol eras, through a real gateway, to real servers."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx2
import pytest
from mcp import Client

from tests.e2e.running import GatewayProcess

pytestmark = pytest.mark.anyio

ERAS = pytest.mark.parametrize("era", ["auto", "legacy"])
TOOL = "time__get_current_time"


def texts(result: Any) -> list[str]:
    return [block.text for block in result.content]


def handle(result: Any) -> str:
    match = re.search(r"Session (s_[0-9a-f]{32}) holds", texts(result)[-1])
    assert match is not None
    return match[1]


@ERAS
async def test_a_client_sees_three_small_tools_and_is_told_to_search(demo_gateway: GatewayProcess, era: str) -> None:
    async with Client(f"{demo_gateway.url}/mcp", mode=era) as client:
        tools = (await client.list_tools()).tools
        wire = [tool.model_dump(by_alias=True, exclude_none=True) for tool in tools]
        assert [tool.name for tool in tools] == ["search_tools", "call_tool", "remove_tools"]
        assert len(json.dumps(wire, separators=(",", ":"), ensure_ascii=False).encode()) <= 1300
        assert "search_tools first" in (client.instructions or "")


@ERAS
async def test_a_client_searches_calls_and_gives_back(demo_gateway: GatewayProcess, era: str) -> None:
    async with Client(f"{demo_gateway.url}/mcp", mode=era) as client:
        found = await client.call_tool("search_tools", {"queries": ["what time is it in another city"]})
        result = json.loads(texts(found)[0])["results"][0]
        assert TOOL in [tool["name"] for tool in result["tools"]]
        tool = next(tool for tool in result["tools"] if tool["name"] == TOOL)
        assert tool["inputSchema"]["required"] == ["timezone"]
        session = handle(found)
        arguments = {"name": TOOL, "arguments": {"timezone": "Asia/Tokyo"}, "session": session}
        called = await client.call_tool("call_tool", arguments)
        assert not called.is_error
        assert json.loads(texts(called)[0])["timezone"] == "Asia/Tokyo"
        removed = await client.call_tool("remove_tools", {"names": [TOOL, "no_such"], "session": session})
        assert json.loads(texts(removed)[0]) == {"removed": [TOOL], "unknown": ["no_such"]}
        assert handle(removed) == session


@ERAS
async def test_a_found_tool_is_callable_by_its_own_name(demo_gateway: GatewayProcess, era: str) -> None:
    async with Client(f"{demo_gateway.url}/mcp", mode=era) as client:
        called = await client.call_tool(TOOL, {"timezone": "Europe/Paris"})
        assert json.loads(texts(called)[0])["timezone"] == "Europe/Paris"


@ERAS
async def test_errors_are_sentences_the_model_can_act_on(demo_gateway: GatewayProcess, era: str) -> None:
    async with Client(f"{demo_gateway.url}/mcp", mode=era) as client:
        unknown = await client.call_tool("call_tool", {"name": "time__get_current_tim", "arguments": {}})
        assert unknown.is_error
        body = json.loads(texts(unknown)[0])
        assert body["error"] == "tool_not_found"
        assert TOOL in body["message"]
        empty = await client.call_tool("search_tools", {"queries": []})
        assert json.loads(texts(empty)[0])["error"] == "invalid_input"
        foreign = await client.call_tool("search_tools", {"queries": ["x"], "session": "s_" + "0" * 32})
        assert json.loads(texts(foreign)[0])["error"] == "session_not_found"


async def test_what_a_session_holds_is_visible_over_http(demo_gateway: GatewayProcess) -> None:
    async with Client(f"{demo_gateway.url}/mcp") as client:
        found = await client.call_tool("search_tools", {"queries": ["what time is it in another city"]})
        session = handle(found)
        await client.call_tool("call_tool", {"name": TOOL, "arguments": {"timezone": "UTC"}, "session": session})
    async with httpx2.AsyncClient(base_url=f"{demo_gateway.url}/api/v1") as http:
        memory = (await http.get(f"/sessions/{session}/memory")).json()
        entry = next(entry for entry in memory["entries"] if entry["tool_id"] == TOOL)
        assert entry["uses"] == 1
        assert entry["reason"] == "search: what time is it in another city"
        assert entry["tokens"] > 0
        lines = (await http.get("/events")).text.splitlines()
    events = [event for event in map(json.loads, lines) if event["session_id"] == session]
    assert [event["kind"] for event in events] == ["memory", "search", "call"]
    search = events[1]
    assert search["propensity"] == 1.0
    assert search["versions"]["catalogue"] != ""
    assert TOOL in [candidate["tool_id"] for candidate in search["body"]["answers"][0]["candidates"]]
    assert events[2]["parent_id"] == search["id"]

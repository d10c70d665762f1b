"""`POST /sessions/{id}/turns` through the whole application: what leaves, what is searched, what is bound."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from gateway.wiring import Toolcrib
from tests.gateway.toolcribs import a_crib, asking

pytestmark = pytest.mark.anyio

NAMES = ["read", "write", "weather", "translate", "invoice", "calendar"]
WORKFLOW = {"mode": "workflow"}


@pytest.fixture
async def crib(tmp_path: Path) -> AsyncIterator[Toolcrib]:
    async with a_crib(tmp_path, NAMES) as opened:
        yield opened


@pytest.fixture
async def http(crib: Toolcrib) -> AsyncIterator[httpx2.AsyncClient]:
    async with asking(crib, "http://127.0.0.1/api/v1") as client:
        yield client


async def opened(http: httpx2.AsyncClient, **options: Any) -> str:
    answer = await http.post("/sessions", json=options)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def turn(http: httpx2.AsyncClient, session: str, *messages: Any, **more: Any) -> dict[str, Any]:
    answer = await http.post(f"/sessions/{session}/turns", json={"messages": list(messages), **more})
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def test_a_workflow_turn_searches_by_itself_and_binds_what_it_found(http: httpx2.AsyncClient) -> None:
    session = await opened(http, **WORKFLOW)
    answer = await turn(http, session, "what is the weather like", k=2)
    assert answer["queries"] == ["what is the weather like"]
    assert answer["names"][0] == "files__weather"
    assert [tool["name"] for tool in answer["tools"]] == answer["names"]
    assert len(answer["names"]) == 2
    assert (answer["turn"], answer["format"], answer["degraded"]) == (1, "mcp", [])


async def test_a_later_workflow_turn_lets_go_of_what_is_not_talked_about_and_says_so(http: httpx2.AsyncClient) -> None:
    session = await opened(http, **WORKFLOW)
    first = await turn(http, session, "the weather", k=1)
    await turn(http, session, "translate this", k=1)
    third = await turn(http, session, "an invoice please", k=1)
    assert set(first["names"]) <= set(third["memory"]["evicted"]) | {line["tool_id"] for line in third["folded"]}
    assert "files__invoice" in third["names"]
    assert first["names"][0] not in third["names"]


async def test_a_hybrid_turn_binds_the_search_and_leaves_it_to_the_agent(http: httpx2.AsyncClient) -> None:
    session = await opened(http, mode="hybrid")
    await http.post("/search", json={"queries": ["weather"], "k": 1, "session_id": session})
    answer = await turn(http, session, "and the weather tomorrow?")
    assert answer["queries"] == []
    assert answer["names"] == ["search_tools", "files__weather"]


async def test_a_cache_aware_turn_appends_what_its_message_needs_and_leaves_the_agent_its_search(
    http: httpx2.AsyncClient,
) -> None:
    session = await opened(http, mode="cache_aware")
    first = await turn(http, session, "the weather", k=1)
    await http.post("/search", json={"queries": ["an invoice"], "k": 1, "session_id": session})
    second = await turn(http, session, "translate this", k=1)
    assert (first["queries"], second["queries"]) == (["the weather"], ["translate this"])
    assert first["names"] == ["search_tools", "remove_tools", "files__weather"]
    assert second["names"] == [*first["names"], "files__invoice", "files__translate"]


@pytest.mark.parametrize("mode", ["workflow", "cache_aware"])
async def test_a_search_of_the_turn_s_own_is_no_request_of_the_agent_s(http: httpx2.AsyncClient, mode: str) -> None:
    session = await opened(http, mode=mode)
    await turn(http, session, "the weather", k=1)
    by_turn = (await http.get(f"/sessions/{session}/memory")).json()["ledger"]
    await http.post("/search", json={"queries": ["the weather"], "k": 1, "session_id": session})
    by_agent = (await http.get(f"/sessions/{session}/memory")).json()["ledger"]
    assert by_turn["extra_turns"] == 0
    assert by_agent["extra_turns"] == 1


async def test_what_a_search_within_the_turn_found_is_bound_without_a_new_turn(http: httpx2.AsyncClient) -> None:
    session = await opened(http, mode="hybrid")
    await turn(http, session, "hello")
    await http.post("/search", json={"queries": ["weather"], "k": 1, "session_id": session})
    held = (await http.get(f"/sessions/{session}/tools", params={"format": "openai"})).json()
    assert (held["names"], held["turn"]) == (["search_tools", "files__weather"], 1)
    assert (await http.get(f"/sessions/{session}/tools", params={"defer": "true"})).status_code == 422


@pytest.mark.parametrize("form", ["openai", "openai-responses", "anthropic"])
async def test_the_format_may_stand_in_the_query_or_in_the_body(http: httpx2.AsyncClient, form: str) -> None:
    session = await opened(http, **WORKFLOW)
    in_query = await http.post(f"/sessions/{session}/turns?format={form}", json={"messages": ["weather"], "k": 1})
    in_body = await turn(http, session, "weather", k=1, format=form)
    assert in_query.json()["tools"] == in_body["tools"]
    assert in_body["format"] == form
    assert "inputSchema" not in in_body["tools"][0]


async def test_messages_may_be_written_as_providers_write_them(http: httpx2.AsyncClient) -> None:
    session = await opened(http, **WORKFLOW)
    answer = await turn(
        http,
        session,
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": None, "tool_calls": []},
        {"role": "user", "content": [{"type": "image", "source": {}}, {"type": "text", "text": "the weather"}]},
    )
    assert answer["queries"] == ["the weather"]


async def test_deferred_tools_are_referred_to_and_folded_ones_stay_within_reach(http: httpx2.AsyncClient) -> None:
    session = await opened(http, mode="lru", idle_turns=1)
    await http.post("/search", json={"queries": ["weather"], "k": 1, "session_id": session})
    answer = await turn(http, session, "something else", format="anthropic", defer=True)
    assert [(tool["name"], tool.get("defer_loading")) for tool in answer["tools"]] == [
        ("search_tools", None),
        ("remove_tools", None),
        ("files__weather", True),
    ]
    assert answer["memory"]["evicted"] == ["files__weather"]
    await http.post(f"/sessions/{session}/memory", json={"add": ["files__weather"]})
    back = (await http.get(f"/sessions/{session}/memory")).json()["entries"]
    assert [(entry["tool_id"], entry["reason"]) for entry in back] == [("files__weather", "search: weather")]


BAD = [
    ({"messages": ["x"], "format": "cohere"}, 422),
    ({"messages": ["x"], "defer": True}, 422),
    ({"messages": ["x"], "k": -1}, 422),
    ({"messages": ["x"], "k": 101}, 422),
    ({"messages": [{"role": "user", "content": 7}]}, 422),
    ({"messages": ["x"] * 201}, 422),
    ({"messages": "x"}, 422),
    ({}, 422),
]


@pytest.mark.parametrize(("body", "status"), BAD, ids=lambda value: str(value)[:50])
async def test_a_turn_that_cannot_be_run_changes_nothing(
    http: httpx2.AsyncClient, body: dict[str, Any], status: int
) -> None:
    session = await opened(http, **WORKFLOW)
    await turn(http, session, "weather", k=2)
    before = (await http.get(f"/sessions/{session}/memory")).json()
    answer = await http.post(f"/sessions/{session}/turns", json=body)
    assert answer.status_code == status, answer.text
    assert answer.json()["detail"]
    assert (await http.get(f"/sessions/{session}/memory")).json() == before

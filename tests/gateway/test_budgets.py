"""Budgets through the HTTP API and the MCP surface, on a real server: enforced, and shown to the agent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from domain.errors import BudgetExceeded, InvalidInput
from tests.gateway.test_plan import register
from tests.gateway.turncoats import Turncoats, turncoats

pytestmark = pytest.mark.anyio


@pytest.fixture
async def crib(tmp_path: Path) -> AsyncIterator[Turncoats]:
    async with turncoats(tmp_path, prices={"ref__add": 1.0, "ref": 0.25}) as opened:
        await register(opened)
        yield opened


async def opened(crib: Turncoats, **budget: Any) -> str:
    handle: str = (await crib.api.post("/sessions", {"budget": budget}))["id"]
    return handle


async def call(crib: Turncoats, session: str, tool: str = "echo", **arguments: Any) -> dict[str, Any]:
    body = {"tool": f"ref__{tool}", "arguments": arguments, "session_id": session}
    answer: dict[str, Any] = await crib.api.post("/call", body)
    return answer


async def test_concurrent_calls_share_what_is_left(crib: Turncoats) -> None:
    session = await opened(crib, calls=4)
    ends = await asyncio.gather(*(call(crib, session, text="x") for _ in range(9)), return_exceptions=True)
    assert sum(isinstance(end, dict) for end in ends) == 4
    assert sum(isinstance(end, BudgetExceeded) for end in ends) == 5


async def test_every_answer_shows_the_agent_what_is_left(crib: Turncoats) -> None:
    session = await opened(crib, calls=4, tools={"ref__echo": 2})
    found = await crib.mcp("search_tools", queries=["give the text back"], session=session)
    called = await crib.mcp("call_tool", name="ref__echo", arguments={"text": "hi"}, session=session)
    before, after = found["content"][-1]["text"], called["content"][-1]["text"]
    assert "<budget>Calls used: 0, remaining: 4. ref__echo used: 0, remaining: 2.</budget>" in before
    assert after == "<budget>Calls used: 1, remaining: 3. ref__echo used: 1, remaining: 1.</budget>"
    assert called["content"][0]["text"] == "hi"


async def test_a_session_without_a_budget_shows_none(crib: Turncoats) -> None:
    session = (await crib.api.post("/sessions", {}))["id"]
    called = await crib.mcp("call_tool", name="ref__echo", arguments={"text": "hi"}, session=session)
    assert [block["text"] for block in called["content"]] == ["hi"]


async def test_a_result_larger_than_the_tokens_left_comes_in_pages_that_fit(crib: Turncoats) -> None:
    session = await opened(crib, tokens=100)
    answer = await call(crib, session, "big", bytes=2000)
    assert len(answer["result"]["content"][0]["text"]) == 400
    assert answer["page"]["pages"] > 1
    with pytest.raises(BudgetExceeded):
        await crib.api.get(f"/results/{answer['page']['handle']}?page=2")
    with pytest.raises(BudgetExceeded, match="100 tokens are spent"):
        await call(crib, session, text="x")


async def test_a_search_shows_as_many_tools_as_the_tokens_left_allow(crib: Turncoats) -> None:
    async def search(**budget: Any) -> list[Any]:
        body = {"queries": ["add two numbers"], "k": 5, "session_id": await opened(crib, **budget)}
        candidates: list[Any] = (await crib.api.post("/search", body))["results"][0]["candidates"]
        return candidates

    everything = await search()
    some = await search(tokens=90)
    assert 0 < len(some) < len(everything)
    assert some == everything[: len(some)]
    with pytest.raises(BudgetExceeded):
        await search(tokens=1)


async def test_calls_cost_what_the_operator_says(crib: Turncoats) -> None:
    session = await opened(crib, cost=1.4)
    await call(crib, session, "add", a=1, b=2)
    await call(crib, session, text="x")
    with pytest.raises(BudgetExceeded, match=r"costs 0.25 and the session has 0.15 left"):
        await call(crib, session, text="x")
    shown = (await crib.api.get(f"/sessions/{session}"))["budget"]
    assert (shown["spent"]["cost"], shown["limits"]["cost"]) == (1.25, 1.4)


async def test_the_time_left_is_the_deadline_of_a_call(crib: Turncoats) -> None:
    session = await opened(crib, seconds=1.5)
    answer = await crib.mcp("call_tool", name="ref__slow", arguments={"seconds": 30, "label": "x"}, session=session)
    assert json.loads(answer["content"][0]["text"])["error"] == "upstream_timeout"
    with pytest.raises(BudgetExceeded, match=r"1\.5 seconds are over"):
        await call(crib, session, text="x")


async def test_the_operators_bound_is_everybodys(tmp_path: Path) -> None:
    async with turncoats(tmp_path, budget_calls=2) as crib:
        handles = [(await crib.api.post("/sessions", body))["id"] for body in ({}, {"budget": {"calls": 9}})]
        shown = [(await crib.api.get(f"/sessions/{handle}"))["budget"]["limits"]["calls"] for handle in handles]
    assert shown == [2, 2]


async def test_a_budget_outlives_a_restart(tmp_path: Path) -> None:
    async with turncoats(tmp_path) as crib:
        await register(crib)
        session = await opened(crib, calls=2, tokens=500)
        await call(crib, session, text="hello")
        before = (await crib.api.get(f"/sessions/{session}"))["budget"]
    async with turncoats(tmp_path) as again:
        after = (await again.api.get(f"/sessions/{session}"))["budget"]
    assert after["limits"] == before["limits"]
    assert {**after["spent"], "seconds": 0} == {**before["spent"], "seconds": 0}


async def test_a_bound_that_is_none_is_refused(crib: Turncoats) -> None:
    with pytest.raises(InvalidInput, match="number from 0, not -1"):
        await opened(crib, calls=-1)

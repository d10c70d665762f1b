"""`POST /plan` and `run_plan`: results feed what needs them, failures take only those with them, limits hold."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from domain.errors import InvalidInput, SessionNotFound
from gateway.mcp.server import listed
from tests.gateway.turncoats import Turncoats, turncoats
from tests.upstreams.running import ROOT, stdio_command

pytestmark = pytest.mark.anyio

Step = dict[str, Any]


async def register(crib: Turncoats, name: str = "ref") -> None:
    command = list(stdio_command("reference", "--transport", "stdio"))
    new = {"name": name, "transport": "stdio", "command": command, "cwd": str(ROOT), "consent": True}
    await crib.api.post("/servers", new)
    await crib.api.post(f"/servers/{name}/sync")


@pytest.fixture
async def crib(tmp_path: Path) -> AsyncIterator[Turncoats]:
    async with turncoats(tmp_path, plan_tool=True) as opened:
        await register(opened)
        yield opened


def a_step(name: str, tool: str, *after: str, **arguments: Any) -> Step:
    return {"id": name, "tool": f"ref__{tool}", "arguments": arguments, "after": list(after)}


async def ask(crib: Turncoats, *steps: Step, **more: Any) -> dict[str, Any]:
    answer: dict[str, Any] = await crib.api.post("/plan", {"steps": list(steps), **more})
    return answer


async def test_a_result_goes_into_what_needs_it(crib: Turncoats) -> None:
    answer = await ask(crib, a_step("said", "echo", text="hello"), a_step("again", "echo", text={"$result": "said"}))
    assert [step["result"]["content"][0]["text"] for step in answer["steps"]] == ["hello", "hello"]
    assert answer["steps"][1]["began_ms"] >= answer["steps"][0]["ended_ms"]


async def test_a_failure_takes_with_it_what_needs_it_and_nothing_else(crib: Turncoats) -> None:
    answer = await ask(
        crib,
        a_step("bad", "fail"),
        a_step("child", "echo", "bad", text="never"),
        a_step("grandchild", "echo", "child", text="never"),
        a_step("other", "echo", text="said"),
        a_step("lost", "echo", text={"$result": "other", "path": "/nowhere"}),
    )
    assert {step["id"]: step["status"] for step in answer["steps"]} == {
        "bad": "tool_error", "child": "skipped", "grandchild": "skipped", "other": "ok", "lost": "failed"
    }  # fmt: skip


async def test_independent_calls_run_at_once_and_the_answer_says_what_that_spared(crib: Turncoats) -> None:
    slow = [a_step(name, "slow", seconds=5, label="x") for name in "ab"]
    answer = await ask(crib, *slow, a_step("both", "running", label="x", count=2), timeout_s=3.0)
    assert answer["steps"][2]["status"] == "ok"  # it is answered while both others are under way
    assert answer["makespan_ms"] < 0.75 * answer["sequential_ms"]


async def test_no_more_run_at_a_server_than_the_client_wants(crib: Turncoats) -> None:
    answer = await ask(crib, *(a_step(f"s{number}", "echo", text="x") for number in range(6)), parallel=1)
    spans = sorted((step["began_ms"], step["ended_ms"]) for step in answer["steps"])
    assert all(later[0] >= earlier[1] for earlier, later in pairwise(spans))


async def test_nothing_is_called_of_a_plan_with_an_unknown_tool(crib: Turncoats) -> None:
    with pytest.raises(InvalidInput, match="ref__nothing"):
        await ask(crib, a_step("count", "counter"), a_step("x", "nothing"))
    answer = await ask(crib, a_step("count", "counter"))
    assert answer["steps"][0]["result"]["content"][0]["text"] == "1"


async def test_a_foreign_session_stops_the_plan_before_it_begins(crib: Turncoats) -> None:
    with pytest.raises(SessionNotFound):
        await ask(crib, a_step("count", "counter"), session_id="s_unknown")


async def test_a_plan_spends_its_sessions_budget_and_no_more(crib: Turncoats) -> None:
    session = (await crib.api.post("/sessions", {"budget": {"calls": 3}}))["id"]
    steps = [a_step(f"s{number}", "echo", text="x") for number in range(6)]
    answer = await ask(crib, *steps, session_id=session)
    ends = [step.get("error", step["status"]) for step in answer["steps"]]
    assert sorted(ends) == ["budget_exceeded"] * 3 + ["ok"] * 3


async def test_an_agent_runs_one_only_where_it_is_listed(crib: Turncoats, tmp_path: Path) -> None:
    assert [tool["name"] for tool in await listed(crib.backend)][3:] == ["run_plan"]
    result = await crib.mcp("run_plan", steps=[a_step("a", "echo", text="hi"), a_step("b", "fail")])
    steps = json.loads(result["content"][0]["text"])["steps"]
    assert [(step["status"], step["result"]["content"][0]["text"]) for step in steps] == [
        ("ok", "hi"), ("tool_error", "it failed")
    ]  # fmt: skip
    (tmp_path / "other").mkdir()
    async with turncoats(tmp_path / "other") as without:
        assert len(await listed(without.backend)) == 3
        refused = await without.mcp("run_plan", steps=[])
        assert json.loads(refused["content"][0]["text"])["error"] == "tool_not_found"


async def test_a_plan_that_is_none_is_told_to_the_agent(crib: Turncoats) -> None:
    result = await crib.mcp("run_plan", steps=[{"id": "a"}])
    assert json.loads(result["content"][0]["text"])["message"].startswith("The plan is not valid at 'steps.0.tool'")

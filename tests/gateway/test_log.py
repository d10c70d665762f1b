"""The event log as a whole: what every decision leaves behind, what is kept of it, and the form in which it leaves."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from domain.errors import InvalidInput, StepNotFound
from domain.identity import LOCAL
from domain.trajectories import FORMAT, VERSION
from gateway.api.app import make_app
from gateway.settings import Settings
from gateway.use_cases.feedback import Judgement
from gateway.use_cases.search import Ask
from gateway.wiring import Toolcrib, open_toolcrib
from tests.store.making import NOW, a_server, a_tool, adding

pytestmark = pytest.mark.anyio

NAMES = ("read", "write", "list", "move", "stat", "link", "copy", "zip", "open", "close")


@asynccontextmanager
async def a_crib(folder: Path, **settings: Any) -> AsyncIterator[Toolcrib]:
    async with open_toolcrib(Settings(data=folder, **settings), follow=False) as crib:
        await crib.store.servers.add(a_server())
        tools = adding(*(a_tool(name) for name in NAMES))
        await crib.store.catalogue.apply(LOCAL.tenant, "files", tools, expected_generation=0, at=NOW)
        await crib.indexer.drain()
        yield crib


async def exported(crib: Toolcrib) -> list[dict[str, Any]]:
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(make_app(crib)), base_url="http://127.0.0.1", trust_env=False
    ) as http:
        lines = (await http.get("/api/v1/trajectories")).text.splitlines()
    first, *steps = map(json.loads, lines)
    assert (first["format"], first["version"]) == (FORMAT, VERSION)
    return steps


async def test_a_session_is_exported_as_a_chain_of_its_decisions_with_what_was_known(tmp_path: Path) -> None:
    async with a_crib(tmp_path) as crib:
        found = await crib.search(LOCAL, Ask(("read a file",), k=3, mint=True))
        session = str(found.session_id)
        shown = [tool.entry.tool_id for tool in found.tools]
        await crib.sessions.remove(LOCAL, session, shown[:1])
        said = Judgement(step=found.step, success=1.0, checklist={"found it": True}, answered=True)
        await crib.feedback(LOCAL, session, said)
        steps = await exported(crib)
    assert [step["kind"] for step in steps] == ["check_out", "search", "removal", "answer", "feedback"]
    assert [step["parent_id"] for step in steps[1:]] == [step["id"] for step in steps[:-1]]
    search = steps[1]
    assert search["id"] == found.step
    assert search["queries"] == ["read a file"]
    assert search["action"]["shown"] == shown
    assert [candidate["tool_id"] for candidate in search["candidates"]] == shown
    assert all(candidate["stages"] for candidate in search["candidates"])
    assert search["propensity"] == 1.0
    assert search["cost"] == sum(tool.tokens for tool in found.tools)
    assert search["versions"]["index"] != ""
    assert (steps[2]["action"]["removed"], steps[2]["memory"].count(shown[0])) == (shown[:1], 1)
    assert steps[2]["budget"]["tools"] == steps[0]["budget"]["tools"] + 1
    assert steps[4]["action"] == {"of": found.step, "success": 1.0, "checklist": {"found it": True}}


async def test_what_an_agent_decided_has_no_known_propensity_and_no_handle_leaves_the_house(tmp_path: Path) -> None:
    async with a_crib(tmp_path) as crib:
        found = await crib.search(LOCAL, Ask(("read a file",), mint=True))
        session = str(found.session_id)
        await crib.sessions.remove(LOCAL, session, [found.tools[0].entry.tool_id])
        steps = await exported(crib)
    assert (steps[2]["actor"], steps[2]["propensity"]) == ("agent", None)
    assert session not in json.dumps(steps)
    assert len({step["session"] for step in steps}) == 1


@pytest.mark.parametrize(("kept", "asked"), [("masked", "write to email"), ("none", "")])
async def test_queries_are_kept_only_as_the_rules_say(tmp_path: Path, kept: str, asked: str) -> None:
    async with a_crib(tmp_path, log_queries=kept) as crib:
        await crib.search(LOCAL, Ask(("write to ann@example.org",), mint=True))
        steps = await exported(crib)
    assert "example.org" not in json.dumps(steps)
    assert [step.get("queries") for step in steps if step["kind"] == "search"] == [[asked]]


async def test_rules_of_a_tenant_stand_above_the_operators_and_outlive_a_restart(tmp_path: Path) -> None:
    async with a_crib(tmp_path, log_events=500) as crib:
        await crib.keeper.change(LOCAL.tenant, {"queries": "none", "retention_days": 1.0})
        await crib.keeper.change(LOCAL.tenant, {"retention_days": None})
    async with open_toolcrib(Settings(data=tmp_path, log_events=500), follow=False) as again:
        rules = again.keeper.rules(LOCAL.tenant)
        assert (rules.queries, rules.retention_days, rules.max_events) == ("none", 90.0, 500)
        assert again.keeper.rules("elsewhere").queries == "full"


async def test_the_log_keeps_no_more_than_the_rules_allow(tmp_path: Path) -> None:
    async with a_crib(tmp_path, log_events=3) as crib:
        for number in range(8):
            await crib.search(LOCAL, Ask((f"read file {number}",)))
        await crib.journal.flush()
        assert await crib.keeper.tidy() == 5
        assert [step["queries"] for step in await exported(crib)] == [[f"read file {n}"] for n in (5, 6, 7)]


async def test_exploration_shows_one_further_tool_with_the_probability_that_is_logged(tmp_path: Path) -> None:
    async with a_crib(tmp_path, exploration=0.5) as crib:
        plain = [tool.entry.tool_id for tool in (await crib.search(LOCAL, Ask(("read a file",), k=3))).tools][:3]
        for _ in range(40):
            found = await crib.search(LOCAL, Ask(("read a file",), k=3))
            assert [tool.entry.tool_id for tool in found.tools][:3] == plain
        steps = await exported(crib)
    by_length = {len(step["candidates"]): step for step in steps}
    assert set(by_length) == {3, 4}
    assert by_length[3]["propensity"] == 0.5
    assert math.isclose(by_length[4]["propensity"], 0.5 / 7)
    assert by_length[4]["candidates"][3]["stages"]["explored"] == by_length[4]["propensity"]


async def test_without_exploration_a_search_shows_what_it_found_and_nothing_else(tmp_path: Path) -> None:
    async with a_crib(tmp_path) as crib:
        for _ in range(5):
            assert len((await crib.search(LOCAL, Ask(("read a file",), k=3))).tools) == 3


async def test_feedback_that_says_nothing_or_means_no_step_of_the_session_is_refused(tmp_path: Path) -> None:
    async with a_crib(tmp_path) as crib:
        mine = await crib.search(LOCAL, Ask(("read a file",), mint=True))
        other = await crib.search(LOCAL, Ask(("read a file",), mint=True))
        with pytest.raises(StepNotFound):
            await crib.feedback(LOCAL, str(mine.session_id), Judgement(step=other.step, success=1.0))
        with pytest.raises(InvalidInput, match="at least one"):
            await crib.feedback(LOCAL, str(mine.session_id), Judgement())
        with pytest.raises(InvalidInput, match="0 to 1"):
            Judgement(success=math.nan)

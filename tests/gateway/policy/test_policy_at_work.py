"""The policy through the whole application: switched by a setting, logged with what it looked at, asked over HTTP."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import SecretStr

from domain.budgets import Budget
from domain.errors import InvalidInput, ToolcribError
from domain.events import EventKind
from domain.identity import LOCAL
from domain.policy_moves import PolicyMode
from domain.trajectories import StepKind, step_of
from gateway.settings import Settings
from gateway.use_cases.call import Invocation
from gateway.use_cases.search import Ask
from gateway.use_cases.session_options import SessionOptions
from gateway.wiring import Toolcrib, open_toolcrib
from policy_client.deciders.chat import NAME as CHAT
from policy_client.scorer_features import CANDIDATE
from tests.gateway.toolcribs import asking
from tests.policy_client.model_server import model_server
from tests.store.making import a_server, a_tool, adding

pytestmark = pytest.mark.anyio

NAMES = ["read", "write", "weather", "translate"]


async def filled(crib: Toolcrib) -> None:
    await crib.store.servers.add(a_server())
    tools = adding(*map(a_tool, NAMES))
    await crib.store.catalogue.apply(LOCAL.tenant, "files", tools, expected_generation=0, at=1.0)
    await crib.indexer.drain()


async def test_a_live_decision_is_in_the_log_with_what_the_scorer_saw(tmp_path: Path) -> None:
    async with open_toolcrib(Settings(data=tmp_path, policy_mode=PolicyMode.LIVE), follow=False) as crib:
        await filled(crib)
        session = await crib.sessions.open(LOCAL)
        await crib.search(LOCAL, Ask(("read a file",), k=3, session_id=session.id))
        await crib.journal.flush()
        [logged] = [one for one in await crib.store.events.read(LOCAL.tenant) if one.event.kind is EventKind.SEARCH]

    step = step_of(logged.seq, logged.event)
    assert step is not None
    assert step.kind is StepKind.SEARCH
    assert step.propensity == 1.0
    assert step.context["budget_left"] == 1.0
    assert {"retrieval", "lead", "success_rate", "policy"} <= set(step.candidates[0].stages)
    assert set(step.candidates[0].stages) & set(CANDIDATE)
    assert logged.event.body["answers"][0]["decided_by"].startswith("embedded scorer:")


async def test_a_decision_sees_what_is_left_of_its_session_s_calls(tmp_path: Path) -> None:
    async with open_toolcrib(Settings(data=tmp_path, policy_mode=PolicyMode.LIVE), follow=False) as crib:
        await filled(crib)
        session = await crib.sessions.open(LOCAL, SessionOptions(budget=Budget(calls=4)))
        with pytest.raises(ToolcribError):  # its server is none; the call was begun and counts
            await crib.call(LOCAL, Invocation("files__read", {}, session_id=session.id))
        answer = await crib.search(LOCAL, Ask(("read a file",), k=3, session_id=session.id))

    assert answer.answers[0].ranking.context["budget_left"] == 0.75


async def test_an_answer_over_http_says_who_ordered_it(tmp_path: Path) -> None:
    async with open_toolcrib(Settings(data=tmp_path, policy_mode=PolicyMode.LIVE), follow=False) as crib:
        await filled(crib)
        async with asking(crib) as client:
            answer = await client.post("/api/v1/search", json={"queries": ["read a file"], "explain": True})

    assert answer.status_code == 200
    [result] = answer.json()["results"]
    assert result["decided_by"].startswith("embedded scorer:")
    assert result["timings_ms"]["policy"] > 0


async def test_without_a_mode_no_policy_is_opened_and_searches_are_retrieval_s(tmp_path: Path) -> None:
    async with open_toolcrib(Settings(data=tmp_path), follow=False) as crib:
        await filled(crib)
        answer = await crib.search(LOCAL, Ask(("read a file",), k=3))
        async with asking(crib) as client:
            said = (await client.get("/api/v1/policy")).json()
            asked = await client.post("/api/v1/policy/decide", json={"request": "read a file"})

    assert answer.answers[0].ranking.decided_by == ""
    assert (said["mode"], said["backends"], said["identical"]) == ("off", [], 0)
    assert asked.status_code == 503
    assert "No policy is set" in asked.json()["detail"]


async def test_the_policy_can_be_asked_and_says_how_it_fares(tmp_path: Path) -> None:
    with model_server() as server:
        server.says = lambda prompt: json.dumps(
            {"order": [json.loads(prompt)["offered"][-1]["id"]], "remove": [], "next": "search"}
        )
        settings = Settings(
            data=tmp_path, policy_mode=PolicyMode.LIVE, policy_chat_url=SecretStr(server.url), policy_deadline_s=20
        )
        async with open_toolcrib(settings, follow=False) as crib:
            await filled(crib)
            async with asking(crib) as client:
                decision = (await client.post("/api/v1/policy/decide", json={"request": "read a file"})).json()
                server.says = lambda _prompt: '{"order": ["made__up"], "remove": [], "next": "search"}'
                other = (await client.post("/api/v1/policy/decide", json={"request": "write a file"})).json()
                said = (await client.get("/api/v1/policy")).json()

    assert decision["decided_by"].startswith(CHAT)
    assert decision["next"] == "search"
    assert {one["tool_id"] for one in decision["order"]} == {f"files__{name}" for name in NAMES}
    assert other["decided_by"].startswith("embedded")
    chat, embedded = said["backends"]
    assert (chat["decided"], chat["failed"], embedded["decided"]) == (1, 1, 1)
    assert "not offered" in chat["failure"]


async def test_a_policy_that_does_not_fit_is_told_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    settings = Settings(data=tmp_path, policy_mode=PolicyMode.LIVE, policy=str(tmp_path / "other"))

    with pytest.raises(InvalidInput, match="There is no policy in"):
        async with open_toolcrib(settings, follow=False):
            pass

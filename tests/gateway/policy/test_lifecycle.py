"""A policy's life through the whole application: promoted over HTTP, in force at once, kept, verified, rolled back."""

from __future__ import annotations

import asyncio
import base64
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from domain.errors import Conflict, PolicyRefused
from domain.identity import LOCAL
from domain.policy_moves import MoveKind, PolicyMode, PolicyMove
from gateway.policy.lifecycle import Wanted
from gateway.policy.standing import Regime, Standing
from gateway.settings import Settings
from gateway.use_cases.search import Ask
from gateway.wiring import Toolcrib, open_toolcrib
from policy_client.deciders.fake import FakeDecider
from policy_client.decision import Decision, Question
from policy_client.router import BackEnd, Router
from tests.gateway.toolcribs import a_crib, asking
from tests.policy.linear_scorer import keep_linear

pytestmark = pytest.mark.anyio

NAMES = ["read", "write", "weather", "translate"]
TENANT = LOCAL.tenant


def sent(folder: Path) -> dict[str, str]:
    return {path.name: base64.b64encode(path.read_bytes()).decode() for path in folder.iterdir()}


def contrary(folder: Path, weight: float = -1.0) -> dict[str, str]:
    return sent(keep_linear(folder / f"sent{weight}", {"retrieval": weight}))


async def order(crib: Toolcrib, session: str | None = None) -> list[str]:
    answer = await crib.search(LOCAL, Ask(("read a file",), k=4, session_id=session))
    return [one.candidate.tool_id for one in answer.answers[0].found]


async def force(crib: Toolcrib, files: dict[str, str], mode: PolicyMode, **evidence: Any) -> PolicyMove:
    """Past the gate, which has tests of its own: kept, and moved into force as `promote` does."""
    version = (await crib.lifecycle.promote(TENANT, "ada", Wanted(PolicyMode.SHADOW, files=files))).version
    moves = await crib.store.policies.moves(TENANT)
    move = PolicyMove(TENANT, len(moves) + 1, 1.0, "ada", MoveKind.PROMOTION, version, mode, 0.5, evidence)
    await crib.store.policies.add(move)
    await crib.lifecycle.load()
    return move


async def test_a_promotion_over_http_is_seen_with_its_history_and_survives_a_restart(tmp_path: Path) -> None:
    body = {"files": contrary(tmp_path), "mode": "shadow"}
    async with a_crib(tmp_path, NAMES) as crib, asking(crib) as http:
        before = await order(crib)
        done = (await http.post("/api/v1/policy/promote", json=body)).json()
        assert await order(crib) == before
    async with a_crib_again(tmp_path) as crib, asking(crib) as http:
        state = (await http.get("/api/v1/policy")).json()
        assert (state["version"], state["mode"], state["versions"]) == (done["version"], "shadow", [done["version"]])
        assert [one["kind"] for one in state["history"]] == ["promotion"]
        assert state["evidence"]["latency_ms_p95"] > 0
        back = (await http.post("/api/v1/policy/rollback", json={"reason": "enough"})).json()
        assert (back["version"], back["mode"], back["reason"]) == ("", "off", "enough")
        again = await http.post("/api/v1/policy/rollback", json={})
        assert (again.status_code, again.json()["code"]) == (409, "conflict")


def a_crib_again(data: Path) -> AbstractAsyncContextManager[Toolcrib]:
    return open_toolcrib(Settings(data=data), follow=False)


async def test_a_live_policy_orders_at_once_and_a_rollback_takes_that_back(tmp_path: Path) -> None:
    async with a_crib(tmp_path, NAMES) as crib:
        retrieved = await order(crib)
        await force(crib, contrary(tmp_path), PolicyMode.LIVE)
        assert await order(crib) == retrieved[::-1]
        await crib.lifecycle.roll_back(TENANT, "ada")
        assert await order(crib) == retrieved


async def test_a_shadow_of_another_version_leaves_the_live_one_in_force(tmp_path: Path) -> None:
    async with a_crib(tmp_path, NAMES) as crib, asking(crib) as http:
        retrieved = await order(crib)
        live = await force(crib, contrary(tmp_path), PolicyMode.LIVE)
        await crib.lifecycle.promote(TENANT, "ada", Wanted(PolicyMode.SHADOW, files=contrary(tmp_path, 2.0)))
        assert await order(crib) == retrieved[::-1]
        assert (await http.get("/api/v1/policy")).json()["control"] == live.version


async def test_to_decide_a_policy_needs_evidence_and_without_it_nothing_changes(tmp_path: Path) -> None:
    async with a_crib(tmp_path, NAMES) as crib:
        with pytest.raises(PolicyRefused, match="--first-place"):
            await crib.lifecycle.promote(TENANT, "ada", Wanted(PolicyMode.LIVE, files=contrary(tmp_path)))
        assert await crib.store.policies.moves(TENANT) == []
        assert await crib.store.policies.versions(TENANT) == []


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda files: files | {"policy.onnx": base64.b64encode(b"cut off").decode()}, "not the model"),
        (lambda files: files | {"evil.py": ""}, "nothing else"),
        (lambda files: {"policy.onnx": files["policy.onnx"]}, "is sent as"),
        (lambda files: files | {"manifest.json": "!"}, "base64"),
    ],
    ids=["other bytes than the manifest says", "a file too many", "no manifest", "no base64"],
)
async def test_what_is_no_whole_policy_is_refused_and_not_kept(tmp_path: Path, spoil: Any, sentence: str) -> None:
    body = {"files": spoil(contrary(tmp_path)), "mode": "shadow"}
    async with a_crib(tmp_path, NAMES) as crib, asking(crib) as http:
        refused = await http.post("/api/v1/policy/promote", json=body)
        assert refused.status_code == 422
        assert sentence in refused.json()["detail"]
        assert await crib.store.policies.moves() == []


async def test_a_damaged_folder_is_written_anew_from_the_store(tmp_path: Path) -> None:
    async with a_crib(tmp_path, NAMES) as crib:
        retrieved = await order(crib)
        await force(crib, contrary(tmp_path), PolicyMode.LIVE)
    [model] = (tmp_path / "policies").glob("*/policy.onnx")
    model.write_bytes(b"damaged")
    async with a_crib_again(tmp_path) as crib:
        assert await order(crib) == retrieved[::-1]


class Slow(FakeDecider):
    """Decides when it is told to; says whether it was closed before."""

    def __init__(self) -> None:
        self.asked, self.go, self.closed = asyncio.Event(), asyncio.Event(), False

    async def decide(self, question: Question) -> Decision:
        self.asked.set()
        await self.go.wait()
        assert not self.closed
        return await super().decide(question)

    async def aclose(self) -> None:
        self.closed = True


async def test_a_decision_under_way_ends_on_the_policy_that_it_began_with(tmp_path: Path) -> None:
    slow = Slow()
    async with a_crib(tmp_path, NAMES) as crib:
        await force(crib, contrary(tmp_path), PolicyMode.LIVE)
        old = Standing(Router([BackEnd(slow, 30.0)]), Regime(PolicyMode.LIVE), "slow")
        crib.policy.standings.put(TENANT, old)
        under_way = asyncio.create_task(order(crib))
        await slow.asked.wait()
        await crib.lifecycle.roll_back(TENANT, "ada")
        assert crib.policy.standings.of(TENANT) is crib.policy.standings.everywhere
        assert not slow.closed
        slow.go.set()
        assert len(await under_way) == 4
        await old.retire()
        assert slow.closed


async def test_the_monitor_rolls_a_failing_policy_back_and_says_why(tmp_path: Path) -> None:
    async with a_crib(tmp_path, NAMES) as crib, asking(crib) as http:
        await force(crib, contrary(tmp_path), PolicyMode.LIVE, estimates={"baseline": {"low": 0.5}})
        session = (await http.post("/api/v1/sessions", json={})).json()["id"]
        searches = 0
        while (await state(http))["version"] and searches < 200:
            await order(crib, session)
            await crib.journal.flush()
            searches += 1
        found = await state(http)
        assert searches < 200
        assert found["history"][0]["kind"] == "automatic_rollback"
        assert "earned 0.000" in found["history"][0]["reason"]
        with pytest.raises(Conflict, match="nothing to roll back"):
            await crib.lifecycle.roll_back(TENANT, "ada")


async def state(http: httpx2.AsyncClient) -> dict[str, Any]:
    return dict((await http.get("/api/v1/policy")).json())

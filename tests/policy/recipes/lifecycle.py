"""A policy's life at a real gateway: refused at the gate for what it lacks, promoted and rolled back under load, and
rolled back by itself when the agents begin to want something else. And its monitor, on streams that are drawn.

The world: four tools, each search shows them all. Agents want the tool that retrieval ranks last in 6 of 10 searches,
the one it ranks first in 3; so the policy `contrary`, which turns retrieval's order round, is worth twice as much.
"""

from __future__ import annotations

import asyncio
import base64
import random
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx2
import numpy as np
import numpy.typing as npt

from benchmarks.report import Promise
from gateway.policy.monitor import Monitor
from tests.e2e.running import serving
from tests.policy.linear_scorer import keep_linear

AGENTS = 8
USUAL = (0.6, 0.3)  # shares of searches that want retrieval's last and its first tool
CHANGED = (0.0, 0.9)
WITHIN = 200
STREAMS = 1000
_DRAWN = 0.5  # of the searches, so that few are enough; `toolcrib rl rules --first-place` takes no more
_PER_SESSION = 10


@dataclass
class World:
    """Agents at a gateway. `failed`: requests that were answered with anything but 200."""

    http: httpx2.AsyncClient
    wanted: tuple[float, float] = USUAL
    dice: random.Random = field(default_factory=lambda: random.Random(0))
    asked: int = 0
    failed: int = 0

    async def sessions(self, searches: int) -> None:
        """So many searches, each followed by a call of what was wanted, by AGENTS at once."""
        rounds = -(-searches // (AGENTS * _PER_SESSION))
        await asyncio.gather(*(self._agent(rounds) for _ in range(AGENTS)))

    async def until(self, done: asyncio.Event) -> None:
        """Search and call, AGENTS at once, until it is set."""

        async def agent() -> None:
            while not done.is_set():
                await self._agent(1)

        await asyncio.gather(*(agent() for _ in range(AGENTS)))

    async def _agent(self, rounds: int) -> None:
        for _ in range(rounds):
            session = (await self._post("/sessions", {}))["id"]
            for _ in range(_PER_SESSION):
                await self.step(session)

    async def step(self, session: str) -> None:
        body = {"queries": [f"work wood {self.asked}"], "k": 4, "session_id": session, "explain": True}
        found = (await self._post("/search", body))["results"][0]["candidates"]
        # Where nobody decides, as just after a rollback, the score is retrieval's own.
        found.sort(key=lambda one: one["stages"].get("retrieval", one["score"]))
        last, first = self.wanted
        chance = self.dice.random()
        tool = found[0] if chance < last else found[-1] if chance < last + first else found[1]
        await self._post("/call", {"tool": tool["tool_id"], "arguments": {}, "session_id": session})

    async def promote(self, folder: Path, mode: str) -> httpx2.Response:
        body = {"files": _files(folder), "mode": mode, "share": 0.5}
        return await self.http.post("/api/v1/policy/promote", json=body)

    async def rollback(self) -> httpx2.Response:
        return await self.http.post("/api/v1/policy/rollback", json={})

    async def state(self) -> dict[str, Any]:
        return dict((await self.http.get("/api/v1/policy")).json())

    async def _post(self, path: str, body: dict[str, Any]) -> Any:
        self.asked += 1
        answer = await self.http.post(f"/api/v1{path}", json=body)
        self.failed += answer.status_code not in {200, 201}
        return answer.json()


async def run(*, full: bool) -> list[Promise]:
    with TemporaryDirectory(prefix="toolcrib-lifecycle-") as folder:
        policies = {name: keep_linear(Path(folder) / name, {"retrieval": w}) for name, w in _WEIGHTS.items()}
        other = keep_linear(Path(folder) / "other", {"retrieval": -2.0}, features="of-another-version")
        async with world() as agents:
            promises = await _gate(agents, policies, other, 2400 if full else 1200)
            promises.append(await _under_load(agents, policies["contrary"], 20 if full else 8))
            promises.append(await _regression(agents))
    return [*promises, *_monitor()]


_WEIGHTS = {"contrary": -1.0, "as_retrieval": 1.0}


async def _gate(agents: World, policies: dict[str, Path], other: Path, searches: int) -> list[Promise]:
    await agents.sessions(2 * AGENTS * _PER_SESSION)
    early = await agents.promote(policies["contrary"], "live")
    mismatch = await agents.promote(other, "shadow")
    await agents.sessions(searches)
    equal = await agents.promote(policies["as_retrieval"], "canary")
    better = await agents.promote(policies["contrary"], "live")
    worse = await agents.promote(policies["as_retrieval"], "live")
    for name, answer in (("early", early), ("equal", equal), ("worse", worse)):
        print(f"  {name}: {answer.json().get('detail', answer.status_code)}", flush=True)  # noqa: T201
    print(f"  better: {better.json().get('evidence', better.json())}", flush=True)  # noqa: T201
    return [
        Promise("promotion_with_too_little_evidence_refused", early.status_code == 409, 1, at_most=False),
        Promise("promotion_with_other_features_refused", mismatch.status_code == 422, 1, at_most=False),
        Promise("promotion_of_an_equal_policy_refused", equal.status_code == 409, 1, at_most=False),
        Promise("promotion_of_a_worse_policy_refused", worse.status_code == 409, 1, at_most=False),
        Promise("promotion_of_a_better_policy_accepted", better.status_code == 200, 1, at_most=False),
    ]


async def _under_load(agents: World, policy: Path, rounds: int) -> Promise:
    """Rolled back and promoted again while all agents search and call; live at its end."""
    agents.asked = agents.failed = 0
    done = asyncio.Event()
    load = asyncio.create_task(agents.until(done))
    moves = []
    for _ in range(rounds):
        moves.append((await agents.rollback()).status_code)
        moves.append((await agents.promote(policy, "live")).status_code)
    done.set()
    await load
    print(f"  {len(moves)} moves during {agents.asked} requests", flush=True)  # noqa: T201
    return Promise("requests_failed_during_promote_and_rollback", agents.failed + sum(one != 200 for one in moves), 0)


async def _regression(agents: World) -> Promise:
    """The agents change their minds; decisions of the live policy until it is gone."""
    (await agents.http.patch("/api/v1/trajectories/rules", json={"first_place": 0})).raise_for_status()
    before = await agents.state()
    assert before["mode"] == "live", before
    agents.wanted, decisions = CHANGED, 0
    session = (await agents.http.post("/api/v1/sessions", json={})).json()["id"]
    while (await agents.state())["version"] == before["version"] and decisions < 4 * WITHIN:
        await agents.step(session)
        decisions += 1
    print(f"  {(await agents.state())['history'][0]['reason']}", flush=True)  # noqa: T201
    return Promise("decisions_until_a_regression_is_rolled_back", decisions, WITHIN)


def _monitor() -> list[Promise]:
    """Streams of rewards: as good as the bar for 1,000 decisions; or so for 200, and then half as good."""
    chance = np.random.default_rng(8)
    alarms = sum(_stopped(Monitor(0.6), chance.random(1000) < 0.6) is not None for _ in range(STREAMS))
    found = []
    for _ in range(STREAMS):
        stopped = _stopped(Monitor(0.6), np.concatenate([chance.random(200) < 0.6, chance.random(2000) < 0.3]))
        assert stopped is not None
        found.append(stopped - 200)
    late = float(np.percentile([one for one in found if one > 0], 99))
    return [
        Promise("monitor_decisions_until_half_the_reward_is_noticed_p99", late, WITHIN),
        Promise("monitor_false_alarms_of_1000_decisions", 100 * alarms / STREAMS, 10, " %"),
    ]


def _stopped(monitor: Monitor, rewards: npt.NDArray[np.bool_]) -> int | None:
    return next((place + 1 for place, one in enumerate(rewards) if monitor.take(float(one))), None)


def _files(folder: Path) -> dict[str, str]:
    """As the command line sends them, but unseen: the gateway has to find out by itself."""
    return {path.name: base64.b64encode(path.read_bytes()).decode() for path in folder.iterdir()}


@asynccontextmanager
async def world() -> AsyncIterator[World]:
    with TemporaryDirectory(prefix="toolcrib-lifecycle-") as data, _room() as url:
        off = dict.fromkeys(("inertia", "case_memory", "outcome_ranking"), "false")
        with serving(Path(data), port=0, first_place=str(_DRAWN), **off) as running:
            limits = httpx2.Limits(max_connections=None, max_keepalive_connections=64)
            async with httpx2.AsyncClient(base_url=running.url, timeout=60, limits=limits, trust_env=False) as http:
                body = {"name": "room", "transport": "streamable-http", "url": url}
                (await http.post("/api/v1/servers", json=body)).raise_for_status()
                (await http.post("/api/v1/servers/room/sync")).raise_for_status()
                yield World(http)


@contextmanager
def _room() -> Iterator[str]:
    command = [sys.executable, "-m", "tests.policy.room"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}/mcp"
        finally:
            process.kill()

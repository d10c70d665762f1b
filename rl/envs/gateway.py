"""The Tool-MDP on a live gateway: the same spaces as in simulated rooms, real searches and real calls.

Nothing is called that may change anything: a call goes through only if whoever runs the episodes named the tool
(`Room.callable`) and the tool itself says that it is read-only. Without a name nothing is ever called. What the agent
did is in the gateway's log like anybody's session, and the outcome is sent there as feedback.

Refuses to know: how a request becomes arguments; a task brings those of each tool with it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import gymnasium
import httpx2
import numpy as np
from gymnasium import spaces

from domain.errors import InvalidInput, Unavailable
from policy_client.scorer_features import encode
from rl.envs.simulate import ACTIONS, ANSWER, FIRST_CALL, FIRST_REMOVAL, HORIZON, SEARCH, SLOTS, STOP, UTILITY
from rl.envs.tool_mdp import Observation, observation_space


@dataclass(frozen=True, slots=True)
class Task:
    """`gold`: tools that all have to answer before the request can be. `arguments`: by tool, none by default."""

    request: str
    gold: frozenset[str] = frozenset()
    arguments: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Room:
    """A gateway, what is asked of it, and what may be called there."""

    url: str
    tasks: Sequence[Task]
    callable: Collection[str] = ()
    budget: int = 6  # calls of an episode
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float = 60.0


@dataclass(slots=True)
class _Tool:
    score: float
    read_only: bool
    called: int = 0
    failed: int = 0
    seconds: float = 0.0


class GatewayMdp(gymnasium.Env[Observation, np.int64]):
    """One session of the gateway per episode. `reset` takes `options={"task": n}`; else tasks are drawn.

    Raises Unavailable for a gateway that does not answer, InvalidInput for one that refuses what it is asked.
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": []}

    def __init__(self, room: Room) -> None:
        if not room.tasks:
            raise InvalidInput("A live room needs a task; name what is to be asked of the gateway.")
        self.room = room
        self.observation_space = observation_space()
        self.action_space = spaces.Discrete(ACTIONS)
        self._http = httpx2.Client(
            base_url=f"{room.url.rstrip('/')}/api/v1", headers=dict(room.headers), timeout=room.timeout_s
        )

    def close(self) -> None:
        self._http.close()

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        super().reset(seed=seed, options=options)
        drawn = int(self.np_random.integers(len(self.room.tasks)))
        self._task = self.room.tasks[int((options or {}).get("task", drawn))]
        self._session = str(self._post("/sessions", {"mode": "autonomous"})["id"])
        self._tools: dict[str, _Tool] = {}
        self._answered: set[str] = set()
        self._counts = {"steps": 0, "calls": 0, "failures": 0, "searches": 0}
        self._last: dict[str, float] = {}
        self._tally = dict.fromkeys(UTILITY, 0.0)
        self._search()
        return self._seen()

    def step(self, action: np.int64) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        before = self._worth()
        allowed = bool(self._allowed()[action])
        self._counts["steps"] += 1
        self._tally["held"] += len(self._tools)
        if allowed:
            self._do(int(action))
        ended = allowed and action in {ANSWER, STOP}
        over = self._counts["steps"] >= HORIZON and not ended
        seen, info = self._seen()
        return seen, self._worth() - before, ended, over, info

    def _do(self, action: int) -> None:
        if action == ANSWER:
            right = self._task.gold <= self._answered
            self._tally["outcome" if right else "wrong"] += 1
            self._post(f"/sessions/{self._session}/feedback", {"success": float(right)})
        elif action == SEARCH:
            self._counts["searches"] += 1
            self._tally["searches"] += 1
            self._search()
        elif FIRST_CALL <= action < FIRST_REMOVAL:
            self._call(list(self._tools)[action - FIRST_CALL])
        elif action >= FIRST_REMOVAL:
            name = list(self._tools)[action - FIRST_REMOVAL]
            self._post(f"/sessions/{self._session}/memory", {"remove": [name]})
            del self._tools[name]

    def _search(self) -> None:
        """The candidates of today's search, with what was learnt here of those that were there before."""
        body = {"queries": [self._task.request], "k": SLOTS, "session_id": self._session}
        [result] = self._post("/search", body)["results"]
        known = self._tools
        self._tools = {}
        for found in result["candidates"][:SLOTS]:
            hints = found["definition"].get("annotations")
            read_only = isinstance(hints, Mapping) and hints.get("readOnlyHint") is True
            before = known.get(found["tool_id"], _Tool(0.0, read_only))
            self._tools[found["tool_id"]] = _Tool(
                float(found["score"]), read_only, before.called, before.failed, before.seconds
            )

    def _call(self, name: str) -> None:
        tool = self._tools[name]
        body = {"tool": name, "arguments": dict(self._task.arguments.get(name, {})), "session_id": self._session}
        began = time.perf_counter()
        response = self._request("/call", body)
        seconds = time.perf_counter() - began
        failed = not response.is_success or bool(response.json()["result"].get("isError"))
        tool.called, tool.failed, tool.seconds = tool.called + 1, tool.failed + failed, seconds
        self._counts["calls"] += 1
        self._counts["failures"] += failed
        self._tally["seconds"] += seconds
        if not failed:
            self._answered.add(name)
        self._last = {"last_ok": float(not failed), "last_failed": float(failed)}

    def _worth(self) -> float:
        return sum(weight * self._tally[name] for name, weight in UTILITY.items())

    def _allowed(self) -> np.ndarray:
        allowed = np.zeros(ACTIONS, np.bool_)
        allowed[: STOP + 1] = True
        can_pay = self._counts["calls"] < self.room.budget
        for slot, (name, tool) in enumerate(self._tools.items()):
            allowed[FIRST_CALL + slot] = can_pay and tool.read_only and name in self.room.callable
            allowed[FIRST_REMOVAL + slot] = True
        return allowed

    def _seen(self) -> tuple[Observation, dict[str, Any]]:
        scores = np.array([tool.score for tool in self._tools.values()] or [0.0])
        spread = float(scores.std()) or 1.0
        candidates = [
            {
                "retrieval": (tool.score - float(scores.mean())) / spread,
                "lead": tool.score - float(scores.max()),
                "latency": math.log1p(tool.seconds),
                "called": math.log1p(tool.called),
                "failed": math.log1p(tool.failed),
            }
            for tool in self._tools.values()
        ]
        context = {name: math.log1p(self._counts[name]) for name in ("calls", "failures", "searches")} | self._last
        context |= {"budget_left": 1 - self._counts["calls"] / self.room.budget, "held": len(self._tools) / SLOTS}
        table, numbers, there = encode(candidates, context, SLOTS)
        seen = {"candidates": table, "context": numbers, "there": there.astype(np.int8)}
        return seen, {"allowed": self._allowed(), "tools": list(self._tools), "tally": dict(self._tally)}

    def _post(self, path: str, body: Mapping[str, Any]) -> Any:
        response = self._request(path, body)
        if not response.is_success:
            raise InvalidInput(f"The gateway refused {path.rpartition('/')[2]}: {response.json().get('detail')}")
        return response.json()

    def _request(self, path: str, body: Mapping[str, Any]) -> httpx2.Response:
        try:
            return self._http.post(path, json=dict(body))
        except httpx2.TransportError as error:
            raise Unavailable(f"The gateway at {self.room.url} does not answer; is it running?") from error

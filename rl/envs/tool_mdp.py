"""The Tool-MDP as a gymnasium environment: one episode at a time, for agents that are not vectorised.

The same rooms as `rl.envs.simulate`. An action that is not allowed (`info["allowed"]`) ends nothing and earns nothing
but what holding tools costs, like a call that a gateway refuses.
"""

from __future__ import annotations

from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium import spaces

from policy_client.scorer_features import CANDIDATE, CONTEXT
from rl.envs.family import Instance
from rl.envs.simulate import ACTIONS, SLOTS, STOP, UTILITY, Episodes

Observation = dict[str, Any]

_BOUND = 100.0
"""No feature of a simulated room comes near it."""


def observation_space() -> spaces.Dict:
    """What every back-end of the Tool-MDP shows."""
    return spaces.Dict(
        {
            "candidates": spaces.Box(-_BOUND, _BOUND, (SLOTS, len(CANDIDATE)), np.float32),
            "context": spaces.Box(-_BOUND, _BOUND, (len(CONTEXT),), np.float32),
            "there": spaces.MultiBinary(SLOTS),
        }
    )


class ToolMdp(gymnasium.Env[Observation, np.int64]):
    """Sees `candidates` (SLOTS, len(CANDIDATE)), `context` (len(CONTEXT),), `there` (SLOTS,); earns utility gained."""

    metadata: ClassVar[dict[str, Any]] = {"render_modes": []}

    def __init__(self, instance: Instance | None = None) -> None:
        self.instance = instance or Instance()
        self.observation_space = observation_space()
        self.action_space = spaces.Discrete(ACTIONS)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        super().reset(seed=seed, options=options)
        self._episodes = Episodes(self.instance, self.np_random, 1)
        return self._seen()

    def step(self, action: np.int64) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        before = float(self._episodes.utility[0])
        allowed = bool(self._episodes.view().allowed[0, action])
        over = bool(self._episodes.step(np.array([action if allowed else _NOTHING]))[0])
        seen, info = self._seen()
        gained = {name: float(self._episodes.tally[name][0]) for name in UTILITY}
        ended = bool(over and allowed and action <= STOP)
        return seen, float(self._episodes.utility[0]) - before, ended, over and not ended, {**info, "tally": gained}

    def _seen(self) -> tuple[Observation, dict[str, Any]]:
        view = self._episodes.view()
        seen = {
            "candidates": view.candidates[0],
            "context": view.context[0],
            "there": view.there[0].astype(np.int8),
        }
        return seen, {"allowed": view.allowed[0]}


_NOTHING = ACTIONS
"""No action: the time passes."""

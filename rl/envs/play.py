"""An agent through episodes to their end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rl.envs.baselines import Agent
from rl.envs.family import Instance
from rl.envs.simulate import Array, Episodes


@dataclass(frozen=True, slots=True)
class Played:
    """Per episode, shape (n,). `tally`: what `UTILITY` weighs."""

    utility: Array
    tally: dict[str, Array]

    def summary(self) -> dict[str, float]:
        return {"utility": float(self.utility.mean()), **{name: float(of.mean()) for name, of in self.tally.items()}}


def play(
    agent: Agent, instance: Instance, *, episodes: int, seed: int, watch: Callable[[int], None] | None = None
) -> Played:
    """Equal seeds are equal tasks, whoever plays: agents are compared pair by pair."""
    running = Episodes(instance, np.random.default_rng(seed), episodes)
    while not running.over.all():
        running.step(agent(running, running.view()))
        if watch is not None:
            watch(running.steps)
    return Played(running.utility, running.tally)

"""ToolOrchestra's reward (paper 18): what the user prefers, weighed against each other over the batch.

M(tau) = [calls of each tool, outcome, -price, -seconds], each min-max scaled over the batch, 0 where all are equal
R = M . P if the outcome is 1, else 0
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from domain.errors import InvalidInput
from rl.rewards.components import Array, cost, latency, outcome
from rl.rewards.episode import Episode


@dataclass(frozen=True, slots=True)
class Preference:
    """Weights in [0, 1]. `tools`: liking of single tools, by id."""

    outcome: float = 1.0
    cost: float = 0.0
    latency: float = 0.0
    tools: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if any(not 0 <= weight <= 1 for weight in (self.outcome, self.cost, self.latency, *self.tools.values())):
            raise InvalidInput("A preference weighs each wish with a number from 0 to 1.")

    def __call__(self, episodes: Sequence[Episode]) -> Array:
        ended = outcome(episodes)
        wished = self.outcome * _scaled(ended) + self.cost * _scaled(cost(episodes))
        wished = wished + self.latency * _scaled(latency(episodes))
        for tool_id, weight in self.tools.items():
            used = [sum(call.tool_id == tool_id for call in episode.calls) for episode in episodes]
            wished = wished + weight * _scaled(np.array(used, dtype=np.float64))
        return np.where(np.isnan(ended), np.nan, np.where(ended == 1, wished, 0.0))


def _scaled(values: Array) -> Array:
    low, high = np.nanmin(values), np.nanmax(values)
    scaled: Array = (values - low) / (high - low) if high > low else np.zeros_like(values)
    return scaled

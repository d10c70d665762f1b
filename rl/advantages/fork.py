"""Where rollouts part: a step is compared with its siblings, the steps taken from the same place (paper 10).

Inspired by PORTool, whose exact weights and discount could not be read (literature.md, row 10). Declared here:

    R(s) = mean over the rollouts i through s of gamma^(T_i - t) R_i  +  format_weight F(s)
    A_fork(s) = R(s) - mean of R over the siblings of s
    A = rollout_weight A_rollout + fork_weight A_fork
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from rl.advantages.rollouts import ABSENT, Array, Rollouts
from rl.advantages.whole import loo

FORMAT = "format"
"""The step reward that says whether the call was well formed and executed."""

_BEFORE_ALL = -2  # the parent of first steps, which stand side by side in their group


@dataclass(frozen=True, slots=True)
class Fork:
    """The blend of both comparisons."""

    gamma: float = 1.0
    format_weight: float = 0.1
    rollout_weight: float = 0.5
    fork_weight: float = 0.5

    def __call__(self, rollouts: Rollouts) -> Array:
        value = step_values(rollouts, self)
        above = siblings_mean(rollouts, value)
        against: dict[int, float] = {node: value[node] - above[node] for node in value}
        forked: Array = np.vectorize(lambda node: against.get(int(node), 0.0), otypes=[float])(rollouts.nodes)
        blended: Array = self.rollout_weight * loo(rollouts) + self.fork_weight * forked
        return blended


def step_values(rollouts: Rollouts, fork: Fork) -> dict[int, float]:
    """R(s) per node; a step that no judged rollout went through has none."""
    outcome = rollouts.total()
    formats = rollouts.step_rewards.get(FORMAT)
    lengths = rollouts.there.sum(axis=1)
    through: dict[int, list[float]] = defaultdict(list)
    own: dict[int, float] = {}
    for row, nodes in enumerate(rollouts.nodes):
        for place, node in enumerate(nodes[: lengths[row]].tolist()):
            through[node].append(fork.gamma ** (lengths[row] - 1 - place) * outcome[row])
            if formats is not None and not np.isnan(formats[row, place]):
                own[node] = fork.format_weight * float(formats[row, place])
    return {
        node: float(np.nanmean(values)) + own.get(node, 0.0)
        for node, values in through.items()
        if not np.isnan(values).all()
    }


def siblings_mean(rollouts: Rollouts, value: Mapping[int, float]) -> dict[int, float]:
    """Per node the mean R of the steps with the same parent, itself among them."""
    children: dict[tuple[int, int], set[int]] = defaultdict(set)
    parent: dict[int, tuple[int, int]] = {}
    for group, nodes in zip(rollouts.group.tolist(), rollouts.nodes, strict=True):
        before = _BEFORE_ALL
        for node in nodes[nodes != ABSENT].tolist():
            place = (before, group if before == _BEFORE_ALL else 0)
            if node in value:
                children[place].add(node)
            parent[node] = place
            before = node
    return {node: float(np.mean([value[child] for child in children[parent[node]]])) for node in value}

"""Rollouts as arrays: what every advantage estimator reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from domain.errors import InvalidInput

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

ABSENT = -1
"""In `Rollouts.nodes`: behind a rollout's end."""


@dataclass(frozen=True, slots=True)
class Rollouts:
    """n rollouts of at most T steps. nan stands for None: a reward that does not apply, and counts for nothing.

    `group`, shape (n,): rollouts of one task are compared with each other. `nodes`, shape (n, T): the step's id, ABSENT
    behind the end; rollouts that share an id share the step and everything before it, so the whole is a forest.
    `rewards`: component -> (n,), of a whole rollout. `step_rewards`: component -> (n, T). `weights`: of the components
    of both, 1 where none is named. `actions`, shape (n, T): the steps that were tool actions; all of them by default.
    """

    group: Ints
    nodes: Ints
    rewards: Mapping[str, Array]
    step_rewards: Mapping[str, Array] = field(default_factory=dict)
    weights: Mapping[str, float] = field(default_factory=dict)
    actions: Bools | None = None

    def __post_init__(self) -> None:
        n, _ = self.nodes.shape
        if self.group.shape != (n,) or any(reward.shape != (n,) for reward in self.rewards.values()):
            raise InvalidInput("A rollout needs one group and one reward of each component.")
        if any(reward.shape != self.nodes.shape for reward in self.step_rewards.values()):
            raise InvalidInput("A step reward needs one number for each step.")
        everything = [*self.rewards.values(), *self.step_rewards.values()]
        if any(np.isinf(reward).any() for reward in everything):
            raise InvalidInput("A reward is infinite; the verifier that gave it is broken.")

    @property
    def there(self) -> Bools:
        """Shape (n, T): which steps exist."""
        return np.not_equal(self.nodes, ABSENT)

    @property
    def acting(self) -> Bools:
        """Shape (n, T): which steps are tool actions."""
        return self.there if self.actions is None else self.actions & self.there

    def weight(self, component: str) -> float:
        return self.weights.get(component, 1.0)

    def total(self) -> Array:
        """Shape (n,): the weighted sum of the rewards that apply; nan where none does."""
        rewards = np.stack([self.weight(name) * reward for name, reward in self.rewards.items()])
        return np.where(np.isnan(rewards).all(axis=0), np.nan, np.nansum(rewards, axis=0))

    def groups(self) -> Iterator[Ints]:
        """Rows of each group, in the order of the groups' numbers."""
        for number in np.unique(self.group):
            yield np.flatnonzero(self.group == number)

    def spread(self, per_rollout: Array) -> Array:
        """A number of each rollout (n,) as one of each of its steps (n, T); 0 where it is nan or no step is."""
        return np.where(self.there, np.nan_to_num(per_rollout)[:, None], 0.0)


def centred(values: Array) -> Array:
    """Minus the mean of those that are there; nan stays nan, and one alone is 0."""
    if np.isnan(values).all():
        return values
    moved: Array = values - np.nanmean(values)
    return moved

"""Two levels (paper 35): how the rollout ended, for every step, and how its tool actions were, for those alone."""

from __future__ import annotations

import numpy as np

from rl.advantages.rollouts import Array, Rollouts, centred

OUTCOME = "outcome"


def toolpo(rollouts: Rollouts) -> Array:
    """A(step) = A_succ + [step is a tool action] A_action, each a value minus its group's mean, no spread.

    A_succ compares the reward `outcome`; A_action the sum of the others, which judge the actions.
    """
    ended = rollouts.rewards[OUTCOME] * rollouts.weight(OUTCOME)
    others = [
        np.nan_to_num(rollouts.weight(name) * reward) for name, reward in rollouts.rewards.items() if name != OUTCOME
    ]
    acted = np.sum(others, axis=0) if others else np.zeros_like(ended)
    succeeded, well = np.zeros_like(ended), np.zeros_like(ended)
    for rows in rollouts.groups():
        succeeded[rows] = np.nan_to_num(centred(ended[rows]))
        well[rows] = centred(acted[rows])
    return rollouts.spread(succeeded) + np.where(rollouts.acting, well[:, None], 0.0)

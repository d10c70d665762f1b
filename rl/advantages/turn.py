"""Turn by turn: a step is compared with the steps at the same place of the group's other rollouts (paper 15)."""

from __future__ import annotations

import numpy as np

from rl.advantages.rollouts import Array, Rollouts, centred

MOST_IGNORED = 4
"""Comparison sets with so few valid members say nothing and are left out, as in paper 15's code."""


def turn(rollouts: Rollouts) -> Array:
    """The step's reward minus the mean at its turn of its group; no division by the spread.

    Reads `step_rewards`, for checklists are judged step by step. A judgement that failed is None and drops out.
    """
    found = np.zeros(rollouts.nodes.shape)
    for name, reward in rollouts.step_rewards.items():
        valid = np.where(rollouts.there, reward, np.nan)
        for rows in rollouts.groups():
            for place in range(valid.shape[1]):
                values = valid[rows, place]
                if (~np.isnan(values)).sum() > MOST_IGNORED:
                    found[rows, place] += rollouts.weight(name) * np.nan_to_num(centred(values))
    return found

"""Advantages of whole rollouts against the others of their group: every step gets its rollout's."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rl.advantages.rollouts import Array, Rollouts, centred

_Compare = Callable[[Array], Array]
_PAIR = 2  # one alone is compared with nothing

EPSILON = 1e-4
"""Added to the spread before dividing by it, as TRL does; paper 17's code adds 1e-6."""


def grpo(rollouts: Rollouts) -> Array:
    """(r - mean) / (std + 1e-4) over the group, std with n - 1 (GRPO; the base of papers 7 and 12)."""
    return _by_group(rollouts, rollouts.total(), _standardised)


def loo(rollouts: Rollouts) -> Array:
    """r_i - mean of the others' r (paper 39): G / (G - 1) (r_i - mean), not divided by the spread."""
    return _by_group(rollouts, rollouts.total(), _against_others)


def hdpo(rollouts: Rollouts) -> Array:
    """Each component standardised in the group by itself, over the rollouts where it applies, then summed (paper 17).

    With "efficiency = 1 / (T + 1) if correct, else None" this is HDPO's conditional advantage: efficiency is compared
    among the correct alone, and counts for nothing where fewer than two are. The same as TRL's `normalize_then_sum`
    before it divides by the spread of the batch (literature.md, finding 1).
    """
    total = np.zeros(len(rollouts.group))
    for name, reward in rollouts.rewards.items():
        total += rollouts.weight(name) * _by_group(rollouts, reward, _standardised)[:, 0]
    return rollouts.spread(total)


def _by_group(rollouts: Rollouts, values: Array, compare: _Compare) -> Array:
    found = np.zeros(len(values))
    for rows in rollouts.groups():
        found[rows] = np.nan_to_num(compare(values[rows]))
    return rollouts.spread(found)


def _standardised(values: Array) -> Array:
    known = values[~np.isnan(values)]
    if len(known) < _PAIR:
        return np.zeros_like(values)
    scaled: Array = centred(values) / (known.std(ddof=1) + EPSILON)
    return scaled


def _against_others(values: Array) -> Array:
    known = int((~np.isnan(values)).sum())
    return np.zeros_like(values) if known < _PAIR else centred(values) * (known / (known - 1))

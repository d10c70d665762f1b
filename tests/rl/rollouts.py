"""Rollouts for tests: hypothesis makes whole forests of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st

from rl.advantages.rollouts import ABSENT, Rollouts

NONE = float("nan")
VALUES = st.one_of(st.just(NONE), st.floats(-3, 3, width=16))


def apart(group: Sequence[int], lengths: Sequence[int], **rewards: Sequence[float]) -> Rollouts:
    """Rollouts that share no step."""
    nodes = np.full((len(group), max(lengths)), ABSENT)
    for row, length in enumerate(lengths):
        nodes[row, :length] = np.arange(length) + 1000 * row
    return Rollouts(np.array(group), nodes, {name: np.array(values, float) for name, values in rewards.items()})


@st.composite
def forests(draw: st.DrawFn) -> Rollouts:
    """Up to 12 rollouts of 3 tasks, parting where their random paths part, with two rewards and one of the steps."""
    n = draw(st.integers(1, 12))
    paths = draw(st.lists(st.lists(st.integers(0, 1), min_size=1, max_size=4), min_size=n, max_size=n))
    group = np.array(draw(st.lists(st.integers(0, 2), min_size=n, max_size=n)))
    known: dict[tuple[int, ...], int] = {}
    nodes = np.full((n, 4), ABSENT)
    for row, path in enumerate(paths):
        for end in range(1, len(path) + 1):
            key = (int(group[row]), *path[:end])
            nodes[row, end - 1] = known.setdefault(key, len(known))
    rewards = {name: np.array(draw(st.lists(VALUES, min_size=n, max_size=n))) for name in ("outcome", "efficiency")}
    by_node = np.array(draw(st.lists(VALUES, min_size=len(known), max_size=len(known))))
    format_ = np.where(nodes == ABSENT, NONE, by_node[nodes])
    return Rollouts(group, nodes, rewards, {"format": format_}, {"efficiency": 0.15})

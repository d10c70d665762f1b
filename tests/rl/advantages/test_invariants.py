"""What holds of every estimator: comparisons sum to nothing, None counts for nothing, one alone is no comparison."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given

from rl.advantages.fork import Fork, step_values
from rl.advantages.registry import ESTIMATORS
from rl.advantages.rollouts import Rollouts
from rl.advantages.whole import grpo, hdpo, loo
from tests.rl.rollouts import NONE, apart, forests

WHOLE = {"grpo": grpo, "loo": loo}


@pytest.mark.parametrize("name", ESTIMATORS)
@given(rollouts=forests())
def test_an_advantage_is_finite_and_nothing_where_no_step_is(name: str, rollouts: Rollouts) -> None:
    found = ESTIMATORS[name](rollouts)
    assert found.shape == rollouts.nodes.shape
    assert np.isfinite(found).all()
    assert (found[~rollouts.there] == 0).all()


@pytest.mark.parametrize("name", WHOLE)
@given(rollouts=forests())
def test_advantages_of_a_group_sum_to_nothing(name: str, rollouts: Rollouts) -> None:
    found = WHOLE[name](rollouts)[:, 0]
    for rows in rollouts.groups():
        assert found[rows].sum() == pytest.approx(0, abs=1e-9)


@given(rollouts=forests())
def test_each_component_of_hdpo_sums_to_nothing_in_a_group(rollouts: Rollouts) -> None:
    for name, reward in rollouts.rewards.items():
        alone = hdpo(replace(rollouts, rewards={name: reward}))[:, 0]
        for rows in rollouts.groups():
            assert alone[rows].sum() == pytest.approx(0, abs=1e-9)


@given(rollouts=forests())
def test_siblings_sum_to_nothing_at_every_fork(rollouts: Rollouts) -> None:
    fork = Fork(rollout_weight=0.0, fork_weight=1.0)
    found = fork(rollouts)
    valued = step_values(rollouts, fork)
    by_parent: dict[tuple[int, ...], dict[int, float]] = {}
    for row, nodes in enumerate(rollouts.nodes.tolist()):
        for place, node in enumerate(nodes):
            if node in valued:
                parent = (int(rollouts.group[row]), *nodes[:place])
                by_parent.setdefault(parent, {})[node] = found[row, place]
    for siblings in by_parent.values():
        assert sum(siblings.values()) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("name", [*WHOLE, "hdpo"])
@given(rollouts=forests())
def test_a_rollout_without_rewards_changes_nothing_for_the_others(name: str, rollouts: Rollouts) -> None:
    more = Rollouts(
        np.append(rollouts.group, 0),
        np.vstack([rollouts.nodes, [10_000, -1, -1, -1]]),
        {component: np.append(values, NONE) for component, values in rollouts.rewards.items()},
        weights=rollouts.weights,
    )
    found = ESTIMATORS[name](more)
    assert found[:-1] == pytest.approx(ESTIMATORS[name](rollouts))
    assert (found[-1] == 0).all()


@pytest.mark.parametrize("name", ["grpo", "loo", "hdpo", "fork", "toolpo"])
def test_a_rollout_alone_in_its_group_is_compared_with_nothing(name: str) -> None:
    alone = apart([0, 1], [2, 3], outcome=[1.0, 0.0], efficiency=[0.5, NONE])
    assert (ESTIMATORS[name](alone) == 0).all()


@given(rollouts=forests())
def test_leave_one_out_is_the_centred_reward_times_g_over_g_less_one(rollouts: Rollouts) -> None:
    total, found = rollouts.total(), loo(rollouts)[:, 0]
    for rows in rollouts.groups():
        judged = rows[~np.isnan(total[rows])]
        for row in judged:
            others = judged[judged != row]
            if len(others):
                assert found[row] == pytest.approx(total[row] - total[others].mean())

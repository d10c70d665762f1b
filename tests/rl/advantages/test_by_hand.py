"""Advantages worked out on paper."""

from __future__ import annotations

import numpy as np
import pytest

from rl.advantages.fork import Fork, step_values
from rl.advantages.rollouts import ABSENT, Rollouts
from rl.advantages.toolpo import toolpo
from rl.advantages.turn import turn
from rl.advantages.whole import EPSILON, grpo, hdpo
from tests.rl.rollouts import NONE, apart

# Two first steps, 0 and 1; below 0 two second steps, 2 and 3; below 1 only step 4.
TREE = np.array([[0, 2], [0, 3], [1, 4]])


def a_tree(*outcomes: float) -> Rollouts:
    return Rollouts(np.zeros(3, int), TREE, {"outcome": np.array(outcomes)})


def test_a_shared_step_is_worth_the_mean_of_what_it_led_to() -> None:
    assert step_values(a_tree(1.0, 0.0, 1.0), Fork()) == {0: 0.5, 1: 1.0, 2: 1.0, 3: 0.0, 4: 1.0}


def test_steps_of_one_fork_are_compared_with_each_other_and_an_only_child_with_nothing() -> None:
    found = Fork(rollout_weight=0.0, fork_weight=1.0)(a_tree(1.0, 0.0, 1.0))
    # First steps: R = .5 and 1, mean .75. Below step 0: R = 1 and 0, mean .5. Step 4 has no sibling.
    assert found == pytest.approx(np.array([[-0.25, 0.5], [-0.25, -0.5], [0.25, 0.0]]))


def test_discount_format_and_both_comparisons_add_up_as_declared() -> None:
    rollouts = a_tree(1.0, 0.0, 1.0)
    rollouts.step_rewards["format"] = np.array([[1.0, 1.0], [1.0, 0.0], [NONE, 1.0]])  # type: ignore[index]  # a dict
    found = Fork(gamma=0.9, format_weight=0.1)(rollouts)
    # R: step 0 (.9 + 0) / 2 + .1, step 1 .9; step 2 1 + .1, step 3 0. Leave-one-out: 1 - .5, 0 - 1, 1 - .5.
    first, second, last = 0.55 - 0.725, 0.9 - 0.725, 1.1 - 0.55
    assert found == pytest.approx(
        0.5 * np.array([[0.5, 0.5], [-1.0, -1.0], [0.5, 0.5]])
        + 0.5 * np.array([[first, last], [first, -last], [second, 0.0]])
    )


def test_grpo_divides_by_the_spread_of_the_group() -> None:
    found = grpo(apart([0, 0, 1, 1], [1, 2, 1, 1], outcome=[1.0, 0.0, 4.0, 4.0]))
    expected = 0.5 / (np.std([1, 0], ddof=1) + EPSILON)
    assert found == pytest.approx(np.array([[expected, 0], [-expected, -expected], [0, 0], [0, 0]]))


def test_hdpo_compares_efficiency_among_the_correct_alone() -> None:
    found = hdpo(apart([0] * 4, [1] * 4, outcome=[1.0, 1.0, 0.0, 0.0], efficiency=[0.5, 0.25, NONE, NONE]))
    outcome = 0.5 / (np.std([1, 1, 0, 0], ddof=1) + EPSILON)
    efficient = 0.125 / (np.std([0.5, 0.25], ddof=1) + EPSILON)
    assert found[:, 0] == pytest.approx([outcome + efficient, outcome - efficient, -outcome, -outcome])


def test_one_correct_rollout_has_nobody_to_be_more_efficient_than() -> None:
    with_one = apart([0] * 3, [1] * 3, outcome=[1.0, 0.0, 0.0], efficiency=[0.5, NONE, NONE])
    without = apart([0] * 3, [1] * 3, outcome=[1.0, 0.0, 0.0])
    assert hdpo(with_one) == pytest.approx(hdpo(without))


def test_a_turn_is_compared_with_the_same_turn_and_small_sets_are_left_out() -> None:
    nodes = np.arange(12).reshape(6, 2)
    nodes[4:, 1] = ABSENT
    earned = np.array([[1.0, 1.0], [0.0, 0.0], [1.0, 1.0], [0.0, 0.0], [1.0, NONE], [NONE, NONE]])
    found = turn(Rollouts(np.zeros(6, int), nodes, {}, {"checklist": earned}))
    assert found[:, 0] == pytest.approx([0.4, -0.6, 0.4, -0.6, 0.4, 0.0])
    assert (found[:, 1] == 0).all()  # four valid judgements are too few


def test_toolpo_credits_tool_actions_with_more_than_the_outcome() -> None:
    rollouts = Rollouts(
        np.zeros(2, int),
        np.arange(4).reshape(2, 2),
        {"outcome": np.array([1.0, 0.0]), "executed": np.array([1.0, 0.5])},
        actions=np.array([[True, False], [True, True]]),
    )
    assert toolpo(rollouts) == pytest.approx(np.array([[0.75, 0.5], [-0.75, -0.75]]))

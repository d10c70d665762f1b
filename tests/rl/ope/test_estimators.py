"""The estimators against values that are known: exactly by hand, and over many drawn logs."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidInput
from policy_client.ope.estimators import (
    Estimate,
    Logged,
    doubly_robust,
    effective_sample_size,
    ips,
    require_overlap,
    self_normalised_dr,
    shrunk_dr,
    snips,
    switch_dr,
)

Model = npt.NDArray[np.float64]

REWARDS = np.array([0.9, 0.5, 0.1])  # of three actions
LOGGING = np.array([0.2, 0.3, 0.5])
TARGET = np.array([0.7, 0.2, 0.1])
TRUTH = float(TARGET @ REWARDS)


def a_log(seed: int, n: int, model: Model) -> Logged:
    dice = np.random.default_rng(seed)
    actions = dice.choice(3, size=n, p=LOGGING)
    rewards = (dice.random(n) < REWARDS[actions]).astype(float)
    return Logged(rewards, LOGGING[actions], TARGET[actions], model[actions], np.full(n, float(TARGET @ model)))


def test_by_hand() -> None:
    log = Logged(*map(np.array, ([1.0, 0.0], [0.5, 0.25], [0.25, 0.5], [0.6, 0.2], [0.4, 0.4])))
    assert math.isclose(ips(log).value, (0.5 * 1 + 2 * 0) / 2)
    assert math.isclose(snips(log).value, 0.5 / 2.5)
    assert math.isclose(doubly_robust(log).value, 0.4 + (0.5 * 0.4 + 2 * -0.2) / 2)
    assert math.isclose(effective_sample_size(log.weights), 2.5**2 / (0.25 + 4))


@pytest.mark.parametrize("estimator", [ips, snips, doubly_robust, self_normalised_dr, switch_dr])
@pytest.mark.parametrize("model", [REWARDS, np.array([0.1, 0.1, 0.9])], ids=["right", "wrong"])
def test_intervals_cover_the_truth_as_often_as_they_say_whatever_the_model(
    estimator: Callable[[Logged], Estimate], model: Model
) -> None:
    found: list[Estimate] = [estimator(a_log(seed, 1000, model)) for seed in range(200)]
    assert 0.90 <= np.mean([one.covers(TRUTH) for one in found]) <= 0.99
    assert abs(np.mean([one.value for one in found]) - TRUTH) < 0.01


def test_what_shrinkage_believes_of_a_wrong_model_goes_away_as_the_log_grows() -> None:
    wrong = np.array([0.1, 0.1, 0.9])
    bias = [
        abs(float(np.mean([shrunk_dr(a_log(seed, steps, wrong)).value for seed in range(100)])) - TRUTH)
        for steps in (100, 1000, 10_000)
    ]
    assert bias[0] > 2 * bias[1] > 4 * bias[2]
    assert np.mean([shrunk_dr(a_log(seed, 1000, REWARDS)).covers(TRUTH) for seed in range(200)]) >= 0.9


def test_where_weights_are_huge_the_model_is_believed_by_switch_and_mostly_by_shrinkage() -> None:
    """Two decisions, with weights of 1 and 100; the model says .5 of everything."""
    log = Logged(*map(np.array, ([1.0, 1.0], [1.0, 0.01], [1.0, 1.0], [0.5, 0.5], [0.5, 0.5])))
    assert math.isclose(doubly_robust(log).value, 0.5 + (0.5 + 50) / 2)
    assert math.isclose(switch_dr(log).value, 0.5 + 0.5 / 2)
    bound = 2 * 0.1
    shrunk = [bound * weight / (weight**2 + bound) for weight in (1, 100)]
    assert math.isclose(shrunk_dr(log).value, 0.5 + 0.5 * sum(shrunk) / 2)
    assert math.isclose(self_normalised_dr(log).value, 0.5 + 0.5)


def test_a_good_model_makes_the_doubly_robust_interval_shorter_than_that_of_weights_alone() -> None:
    log = a_log(1, 2000, REWARDS)
    assert doubly_robust(log).high - doubly_robust(log).low < 0.7 * (ips(log).high - ips(log).low)


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=30))
def test_a_log_is_worth_between_one_and_all_of_its_steps(weights: list[float]) -> None:
    assert 1 - 1e-9 <= effective_sample_size(np.array(weights)) <= len(weights) + 1e-9


def test_a_policys_own_log_is_worth_all_of_its_steps() -> None:
    log = a_log(2, 500, REWARDS)
    own = Logged(log.reward, log.propensity, log.propensity, log.model, log.value)
    assert effective_sample_size(own.weights) == 500
    assert math.isclose(ips(own).value, log.reward.mean())
    assert math.isclose(snips(own).value, log.reward.mean())


def test_too_little_overlap_is_refused_instead_of_estimated() -> None:
    log = a_log(3, 500, REWARDS)
    rare = np.zeros(500)
    rare[:3] = 1.0
    strange = Logged(log.reward, log.propensity, rare, log.model, log.value)
    with pytest.raises(InvalidInput, match="below the floor of 100"):
        require_overlap(strange)
    with pytest.raises(InvalidInput, match="worth 0 of"):
        require_overlap(Logged(log.reward, log.propensity, np.zeros(500), log.model, log.value))
    assert require_overlap(log) > 100


@pytest.mark.parametrize(
    ("reward", "propensity", "reason"),
    [([math.nan], [0.5], "finite"), ([1.0], [0.0], "above 0"), ([1.0], [1.5], "at most 1"), ([], [], "at least one")],
)
def test_what_cannot_be_estimated_from_is_refused(reward: list[float], propensity: list[float], reason: str) -> None:
    one = np.ones(len(reward))
    with pytest.raises(InvalidInput, match=reason):
        Logged(np.array(reward), np.array(propensity), one, one, one)

"""The monitor of a promoted policy: its wager, when it stops, and how often it does so without reason."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.monitor import LEAST, LIMIT, Monitor

BARS = st.floats(LEAST, 1.0)
SHARES = st.floats(0.0, 1.0)


@given(bar=BARS, rewards=st.lists(SHARES, max_size=300))
def test_a_policy_that_never_earns_less_than_the_bar_is_never_stopped(bar: float, rewards: list[float]) -> None:
    monitor = Monitor(bar)

    assert not any(monitor.take(max(bar, reward)) for reward in rewards)
    assert monitor.wager <= 1.0


@given(bar=BARS, low=SHARES, high=SHARES, share=SHARES)
def test_a_wager_is_never_negative_and_expected_to_lose_while_the_policy_earns_the_bar(
    bar: float, low: float, high: float, share: float
) -> None:
    """Over any two rewards whose mean is the bar or more, one step multiplies the wager by 1 or less on average."""
    mean = share * low + (1 - share) * high
    lift = max(0.0, bar - mean)
    rewards, weights = np.minimum([low + lift, high + lift], 1.0), [share, 1 - share]
    steps = []
    for reward in rewards:
        monitor = Monitor(bar)
        monitor.take(float(reward))
        steps.append(monitor.wager)
        assert monitor.wager >= 0
    if float(np.dot(weights, rewards)) >= bar:
        assert float(np.dot(weights, steps)) <= 1 + 1e-9


def test_for_rewards_of_0_and_1_it_is_the_likelihood_ratio_of_half_the_bar_to_the_bar() -> None:
    lost, won = Monitor(0.6), Monitor(0.6)
    lost.take(0.0)
    won.take(1.0)

    assert lost.wager == pytest.approx(0.7 / 0.4)
    assert won.wager == pytest.approx(0.3 / 0.6)


def test_a_policy_that_fails_after_a_long_good_time_is_stopped_as_soon_as_one_that_fails_at_once() -> None:
    late, early = Monitor(0.5), Monitor(0.5)
    for _ in range(500):
        late.take(1.0)
    after = next(n for n in range(1, 200) if late.take(0.0))
    at_once = next(n for n in range(1, 200) if early.take(0.0))

    assert after == at_once
    assert late.wager >= LIMIT


def test_what_earned_next_to_nothing_before_cannot_be_fallen_below() -> None:
    monitor = Monitor(LEAST / 2)

    assert not monitor.is_watching
    assert not any(monitor.take(0.0) for _ in range(10_000))

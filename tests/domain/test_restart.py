"""When to begin anew: the formula by hand, and timeouts that recorded attempts give."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.restart import Attempt, End, Odds, best_timeout, expected_makespan, makespan_of_calls, without_predictor

QUICK = [Attempt(0.1 + number / 1000, End.ANSWERED) for number in range(80)]
HUNG = [Attempt(60.0, End.CUT)] * 20


def test_the_makespan_is_the_time_per_attempt_over_the_share_that_succeeds() -> None:
    odds = Odds(kept=(0.4, 10.0), spoilt=(0.1, 2.0), spared=(0.3, 2.0), missed=(0.2, 30.0), restart_s=1.0)
    assert expected_makespan(odds) == pytest.approx((0.4 * 10 + 0.1 * 3 + 0.3 * 3 + 0.2 * 31) / 0.4)


def test_a_predictor_that_never_keeps_a_success_never_ends() -> None:
    assert expected_makespan(Odds((0.0, 1.0), (0.5, 1.0), (0.5, 1.0), (0.0, 1.0))) == math.inf


@given(st.floats(0.05, 1.0), st.floats(0.1, 50.0), st.floats(0.1, 50.0), st.floats(0.0, 5.0))
def test_a_perfect_predictor_of_instant_failures_is_worth_asking(
    succeeds: float, success_s: float, failure_s: float, restart_s: float
) -> None:
    perfect = Odds((succeeds, success_s), (0.0, 0.0), (1 - succeeds, 0.0), (0.0, 0.0), restart_s)
    assert expected_makespan(perfect) <= without_predictor(succeeds, success_s, failure_s, restart_s)


def test_a_tool_that_hangs_now_and_then_gets_a_timeout_above_its_usual_latencies() -> None:
    chosen = best_timeout([*QUICK, *HUNG], 60.0)
    assert chosen is not None
    assert 0.17 < chosen < 0.25


def test_a_tool_that_always_answers_is_left_alone() -> None:
    assert best_timeout(QUICK, 60.0) is None


def test_a_tool_whose_failures_come_at_once_is_left_alone() -> None:
    assert best_timeout([*QUICK, *[Attempt(0.05, End.FAILED)] * 20], 60.0) is None


def test_a_few_attempts_are_no_evidence() -> None:
    assert best_timeout([*QUICK[:5], *HUNG], 60.0) is None


def test_attempts_that_were_cut_do_not_make_the_tool_look_slower_than_it_is() -> None:
    """Cut at a timeout of half a second, as the rule itself does: what is chosen stays where it was."""
    own = [Attempt(0.5, End.CUT)] * 18
    first, again = best_timeout([*QUICK, *HUNG], 60.0), best_timeout([*QUICK, *own, *HUNG[:2]], 60.0)
    assert first == again


@given(
    st.lists(st.builds(Attempt, st.floats(0.001, 59.0), st.sampled_from(End)), max_size=80),
    st.floats(0.01, 60.0),
)
def test_a_timeout_is_below_the_ceiling(attempts: list[Attempt], ceiling_s: float) -> None:
    chosen = best_timeout(attempts, ceiling_s)
    assert chosen is None or 0 < chosen < ceiling_s


def test_one_attempt_has_the_makespan_of_the_last() -> None:
    assert makespan_of_calls((1.0, 0.5), (10.0, 0.8), 1) == 10.0 / 0.8


def test_each_further_attempt_comes_only_when_those_before_were_cut() -> None:
    expected = (1.0 + 0.5 * (0.2 + 1.0) + 0.25 * (0.2 + 10.0)) / (1 - 0.25 * 0.2)
    assert makespan_of_calls((1.0, 0.5), (10.0, 0.8), 3, restart_s=0.2) == pytest.approx(expected)

"""A server that keeps failing is left alone, tried by one request, and used again as soon as it answers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import UpstreamUnreachable
from domain.servers import Circuit
from servers.failures import CircuitOpen
from servers.limits import Backoff
from servers.resilience.breaker import Breaker

BACKOFF = Backoff(failures=3, first_s=1.0)
DOWN = UpstreamUnreachable("Server 'up' is down.")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def failing(clock: Clock, times: int = 3) -> Breaker:
    breaker = Breaker("up", BACKOFF, 60.0, clock=clock, chance=lambda: 0.5)
    for _ in range(times):
        breaker.failed(DOWN, trying=breaker.admit())
    return breaker


def test_it_opens_at_the_last_allowed_failure_in_a_row_and_says_why_and_for_how_long() -> None:
    assert failing(Clock(), 2).circuit is Circuit.CLOSED
    breaker = failing(Clock())
    with pytest.raises(CircuitOpen, match=r"'up' failed 3 times in a row .* try again in 2 s.*'up' is down") as refusal:
        breaker.admit()
    assert refusal.value.retry_after_s == 1.5


def test_an_answer_between_failures_begins_the_count_anew() -> None:
    breaker = failing(Clock(), 2)
    breaker.succeeded()
    breaker.failed(DOWN, trying=breaker.admit())
    assert breaker.circuit is Circuit.CLOSED


def test_one_request_tries_and_the_others_are_refused_meanwhile() -> None:
    clock = Clock()
    breaker = failing(clock)
    clock.now = 1.5
    assert breaker.admit() is True
    assert breaker.circuit is Circuit.HALF_OPEN
    with pytest.raises(CircuitOpen):
        breaker.admit()


def test_a_try_that_fails_opens_it_for_longer_and_one_given_up_lets_the_next_try() -> None:
    clock = Clock()
    breaker = failing(clock)
    clock.now = 1.5
    breaker.failed(DOWN, trying=breaker.admit())
    clock.now += 2.4  # half-way between 1 s and 4 s is 2.5 s
    with pytest.raises(CircuitOpen):
        breaker.admit()
    clock.now += 0.1
    assert breaker.admit() is True
    breaker.gave_no_verdict()
    assert breaker.admit() is True


def test_a_server_that_is_reached_is_used_at_once_and_left_alone_at_its_next_failure() -> None:
    clock = Clock()
    breaker = failing(clock)
    clock.now = 1.5
    breaker.admit()
    breaker.reached()
    assert breaker.admit() is False
    assert breaker.failed(DOWN, trying=False) is True
    assert breaker.circuit is Circuit.OPEN


def test_latecomers_of_before_do_not_end_the_try_of_another() -> None:
    clock = Clock()
    breaker = failing(clock)
    clock.now = 1.5
    breaker.admit()
    assert breaker.failed(DOWN, trying=False) is False
    assert breaker.circuit is Circuit.HALF_OPEN


def test_urgent_requests_do_not_wait_but_try_one_at_a_time() -> None:
    breaker = failing(Clock())
    assert breaker.admit(urgent=True) is True
    with pytest.raises(CircuitOpen):
        breaker.admit(urgent=True)


@given(times=st.integers(1, 10_000), chance=st.floats(0, 1, exclude_max=True), cap=st.floats(1, 60))
def test_every_pause_lies_between_the_first_and_the_cap(times: int, chance: float, cap: float) -> None:
    assert 1.0 <= Backoff().delay(times, cap, chance) <= cap

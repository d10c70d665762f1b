"""When something that fails is left alone, and when it is tried again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from domain.circuit import Circuit, Patience

PATIENCE = Patience(failures=3, first_s=1.0, last_s=8.0)


def failing(times: int, chance: float = 1.0) -> tuple[Circuit, list[float]]:
    now = [0.0]
    circuit = Circuit(PATIENCE, clock=lambda: now[0], chance=lambda: chance)
    for _ in range(times):
        circuit.failed("no")
    return circuit, now


def test_failures_that_are_not_in_a_row_open_nothing() -> None:
    circuit, _ = failing(2)
    circuit.succeeded()
    circuit.failed("again")
    assert (circuit.admit(), circuit.is_open, circuit.last_failure) == (None, False, "again")


def test_after_the_pause_one_request_tries_and_the_others_still_wait() -> None:
    circuit, now = failing(3)
    assert circuit.admit() == 2.0
    now[0] = 2.0
    assert [circuit.admit(), circuit.admit()] == [None, 1.0]
    circuit.gave_no_verdict()
    assert circuit.admit() is None
    circuit.succeeded()
    assert [circuit.admit(), circuit.admit()] == [None, None]


@given(times=st.integers(3, 5000), chance=st.floats(0, 1))
def test_a_pause_never_leaves_its_bounds(times: int, chance: float) -> None:
    circuit, _ = failing(times, chance)
    wait = circuit.admit()
    assert wait is not None
    assert PATIENCE.first_s <= wait <= PATIENCE.last_s

"""Outcomes of calls: they decay, they never count below the floor, and a reset forgets them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.events import Event, EventKind, Outcome
from domain.outcome_prior import ABANDONED, FLOOR, HALF_LIFE_S, Outcomes, Tally


def call(tool: str, outcome: Outcome = Outcome.OK, *, at: float = 0.0, session: str | None = None) -> Event:
    return _event(EventKind.CALL, {"tool_id": tool, "server": "files"}, at, session, outcome)


def search(*shown: str, session: str) -> Event:
    return _event(EventKind.SEARCH, {"answers": [{"query": "q", "shown": list(shown)}]}, 0.0, session)


def reset(tools: list[str] | None) -> Event:
    return _event(EventKind.RESET, {"what": "outcomes", "tools": tools}, 0.0, None)


def _event(
    kind: EventKind, body: dict[str, Any], at: float, session: str | None, outcome: Outcome = Outcome.OK
) -> Event:
    return Event("default", "ada", kind, at, session_id=session, outcome=outcome, body=body)


def after(events: Sequence[Event]) -> Outcomes:
    outcomes = Outcomes()
    for event in events:
        outcomes.take(event)
    return outcomes


@given(st.lists(st.builds(call, st.sampled_from("ab"), st.sampled_from(Outcome), at=st.floats(0, 1e9)), max_size=60))
def test_whatever_happened_a_score_keeps_the_floors_share_and_gains_nothing(events: list[Event]) -> None:
    outcomes = after(events)
    assert all(FLOOR <= outcomes.factor(tool, 1e9) <= 1.0 for tool in "abc")


def test_a_tool_that_nobody_called_counts_as_one_that_works() -> None:
    assert after([]).factor("a", 0.0) == after([call("a")] * 50).factor("a", 0.0) == 1.0


def test_more_failures_count_more_and_one_counts_little() -> None:
    factors = [after([call("a", Outcome.TOOL_ERROR)] * many).factor("a", 0.0) for many in (0, 1, 10, 1000)]
    assert factors == sorted(factors, reverse=True)
    assert factors[1] > 0.95
    assert factors[3] < FLOOR + 0.01


def test_a_failure_counts_half_after_the_half_life() -> None:
    tally = Tally(failed=8.0).at_time(HALF_LIFE_S)
    assert tally.failed == pytest.approx(4.0)


@pytest.mark.parametrize("outcome", [Outcome.REFUSED, Outcome.EMPTY])
def test_what_we_refused_says_nothing_of_the_tool(outcome: Outcome) -> None:
    assert after([call("a", outcome)] * 20).factor("a", 0.0) == 1.0


def test_a_tool_that_was_shown_first_and_passed_over_counts_a_little_as_failed() -> None:
    outcomes = after([search("a", "b", session="s"), call("b", session="s")])
    assert outcomes.tallies(0.0)["a"] == Tally(abandoned=ABANDONED)
    assert after([search("a", "b", session="s"), call("a", session="s")]).tallies(0.0)["a"] == Tally(succeeded=1.0)


@pytest.mark.parametrize(("named", "left"), [(["a"], {"b"}), (None, set())])
def test_a_reset_forgets_the_tools_named_or_all(named: list[str] | None, left: set[str]) -> None:
    events = [call("a", Outcome.TOOL_ERROR), call("b", Outcome.TOOL_ERROR), reset(named)]
    assert set(after(events).tallies(0.0)) == left

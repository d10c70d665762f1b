"""Budgets: bounds hold whatever is asked for, and the block says what is left."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.budgets import Budget, Charge, Prices, Spent, block
from domain.errors import BudgetExceeded, InvalidInput

BUDGETS = st.builds(
    Budget,
    calls=st.none() | st.integers(0, 9),
    tokens=st.none() | st.integers(0, 500),
    cost=st.none() | st.floats(0, 10),
    tools=st.dictionaries(st.sampled_from("ab"), st.integers(0, 3)),
)
STEPS = st.lists(
    st.tuples(st.just("call"), st.sampled_from("abc"), st.floats(0, 3))
    | st.tuples(st.just("grant"), st.integers(0, 300), st.floats(0, 0.1))
)


@given(BUDGETS, STEPS)
def test_no_bound_is_exceeded_whatever_is_asked_for(budget: Budget, steps: list[tuple[str, object, float]]) -> None:
    spent = Spent()
    for kind, what, price in steps:
        try:
            if kind == "call":
                spent = spent.reserve(budget, Charge(str(what), price))
            else:
                _, spent = spent.grant(budget, int(str(what)), price)
        except BudgetExceeded:
            continue
        assert budget.calls is None or spent.calls <= budget.calls
        assert budget.tokens is None or spent.tokens <= budget.tokens
        assert budget.cost is None or spent.cost <= budget.cost
        assert all(spent.tools.get(name, 0) <= bound for name, bound in budget.tools.items())


def test_a_call_that_does_not_fit_is_refused_with_what_is_left() -> None:
    spent = Spent(cost=0.9)
    with pytest.raises(BudgetExceeded, match=r"costs 0.2 and the session has 0.1 left"):
        spent.reserve(Budget(cost=1.0), Charge("files__read", 0.2))


def test_a_tool_with_a_bound_of_its_own_leaves_the_others_alone() -> None:
    budget = Budget(tools={"a": 1})
    spent = Spent().reserve(budget, Charge("a")).reserve(budget, Charge("b"))
    with pytest.raises(BudgetExceeded):
        spent.reserve(budget, Charge("a"))
    assert spent == Spent(calls=2, tools={"a": 1})


def test_nothing_is_called_after_the_time_or_the_tokens_are_gone() -> None:
    with pytest.raises(BudgetExceeded):
        Spent().reserve(Budget(seconds=5), Charge("a", elapsed_s=5.0))
    with pytest.raises(BudgetExceeded):
        Spent(tokens=10).reserve(Budget(tokens=10), Charge("a"))


def test_definitions_are_granted_whole_and_from_the_first_on() -> None:
    assert Spent().grant_each(Budget(tokens=100), [60, 50, 10]) == (1, Spent(tokens=60))


def test_a_session_has_the_smaller_bound_of_its_maker_and_the_operator() -> None:
    own, operators = Budget(calls=9, tokens=5, tools={"a": 1}), Budget(calls=3, cost=1.0, tools={"a": 2, "b": 4})
    assert own.within(operators) == Budget(calls=3, tokens=5, cost=1.0, tools={"a": 1, "b": 4})


@pytest.mark.parametrize("bound", [-1.0, float("nan"), float("inf")])
def test_a_bound_is_a_number_from_zero(bound: float) -> None:
    with pytest.raises(InvalidInput):
        Budget(cost=bound)


def test_a_tools_price_goes_before_its_servers() -> None:
    prices = Prices({"files": 0.5, "files__read": 0.1})
    assert (prices.of("files__read", "files"), prices.of("files__list", "files"), prices.of("x", "y")) == (0.1, 0.5, 0)


def test_the_block_names_every_bound() -> None:
    budget = Budget(calls=10, tokens=400, cost=1.0, seconds=60, tools={"files__read": 2})
    assert block(budget, Spent(3, 100, 0.25, {"files__read": 1}), 18.6) == (
        "<budget>Calls used: 3, remaining: 7. files__read used: 1, remaining: 1. Tokens used: 100, remaining: 300. "
        "Cost used: 0.25, remaining: 0.75. Seconds remaining: 41.</budget>"
    )

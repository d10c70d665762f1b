"""Plans: what is none is refused, references stand for results, and the longest chain bounds every schedule."""

from __future__ import annotations

from typing import Any

import pytest

from domain.errors import InvalidInput
from domain.plan import MOST_STEPS, Plan, PlanStep, critical_path, urgency

DIAMOND = Plan((
    PlanStep("a", "t"), PlanStep("b", "t", after=("a",)), PlanStep("c", "t", {"of": [{"$result": "a"}]}),
    PlanStep("d", "t", {"x": {"$result": "b", "path": "/structuredContent/rows/1/na~1me"}}, ("c",)),
))  # fmt: skip
SECONDS = {"a": 1.0, "b": 5.0, "c": 2.0, "d": 1.0}


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ((), "1 to 64 steps"),
        (tuple(PlanStep(str(number), "t") for number in range(MOST_STEPS + 1)), "1 to 64 steps"),
        ((PlanStep("a", "t"), PlanStep("a", "t")), "same id"),
        ((PlanStep("a", "t", after=("b",)),), "needs b"),
        ((PlanStep("a", "t", {"x": {"$result": "b"}}), PlanStep("b", "t", after=("a",))), "wait for each other"),
    ],
)
def test_what_is_no_plan_is_refused_with_the_reason(steps: tuple[PlanStep, ...], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        Plan(steps)


def test_references_are_needs() -> None:
    assert DIAMOND.needs == {"a": frozenset(), "b": {"a"}, "c": {"a"}, "d": {"b", "c"}}


def test_a_reference_stands_for_what_the_pointer_finds() -> None:
    answered: dict[str, dict[str, Any]] = {
        "a": {"content": [{"type": "text", "text": "hello"}]},
        "b": {"structuredContent": {"rows": [0, {"na/me": 7}]}},
    }
    steps = {step.id: step for step in DIAMOND.steps}
    assert steps["c"].filled(answered) == {"of": ["hello"]}
    assert steps["d"].filled(answered) == {"x": 7}


@pytest.mark.parametrize("path", ["/content/3", "/content/x", "/nothing", "/content/0/text/deeper"])
def test_a_pointer_to_nothing_is_an_error_of_the_step(path: str) -> None:
    step = PlanStep("b", "t", {"x": {"$result": "a", "path": path}})
    with pytest.raises(InvalidInput, match="step 'a' has nothing at"):
        step.filled({"a": {"content": [{"type": "text", "text": "hello"}]}})


def test_the_critical_path_is_the_longest_chain() -> None:
    assert critical_path(DIAMOND, SECONDS) == 7.0


def test_urgent_is_what_the_longest_chain_waits_for() -> None:
    assert urgency(DIAMOND, SECONDS) == {"a": 7.0, "b": 6.0, "c": 3.0, "d": 1.0}

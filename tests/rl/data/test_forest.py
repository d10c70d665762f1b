"""Sessions as a forest: who follows whom, and what judged ends say of the steps before them."""

from __future__ import annotations

import pytest

from domain.errors import InvalidInput
from domain.trajectories import Step, StepKind
from rl.data.forest import forest, judgements, successes


def step(name: str, parent: str | None = None, kind: StepKind = StepKind.CALL, session: str = "s") -> Step:
    return Step(name, kind, parent_id=parent, session=session)


def said(name: str, parent: str, success: float, of: str | None = None) -> Step:
    return Step(name, StepKind.FEEDBACK, parent_id=parent, session="s", action={"of": of, "success": success})


BRANCHED = [step("a"), step("b", "a"), step("c", "b"), step("d", "b"), step("e", "a"), step("x", session="t")]


def test_steps_hang_below_those_they_follow_and_sessions_apart() -> None:
    roots = forest(BRANCHED)
    assert [root.step.id for root in roots] == ["a", "x"]
    assert [node.step.id for node in roots[0].below()] == ["a", "b", "c", "d", "e"]
    assert [leaf.step.id for leaf in roots[0].leaves] == ["c", "d", "e"]
    assert [on.id for on in roots[0].leaves[1].path] == ["a", "b", "d"]


def test_a_step_whose_parent_has_left_the_log_is_a_root() -> None:
    assert [root.step.id for root in forest([step("b", "gone"), step("c", "b")])] == ["b"]


def test_what_follows_a_judgement_follows_the_decision_before_it() -> None:
    [root] = forest([step("a"), said("f", "a", 1.0), step("b", "f")])
    assert [node.step.id for node in root.below()] == ["a", "b"]


@pytest.mark.parametrize("steps", [[step("a"), step("a")], [step("a", "b"), step("b", "a")]])
def test_a_log_that_cannot_have_happened_is_refused(steps: list[Step]) -> None:
    with pytest.raises(InvalidInput):
        forest(steps)


def test_a_judgement_without_a_step_is_of_the_last_decision_and_the_last_word_counts() -> None:
    steps = [step("a"), step("b", "a"), said("f", "b", 1.0), said("g", "f", 0.0, of="a"), said("h", "g", 0.25)]
    assert judgements(steps) == {"b": 0.25, "a": 0.0}


def test_a_step_is_worth_what_its_judged_ends_are_worth_on_average() -> None:
    found = successes(forest(BRANCHED), {"c": 1.0, "d": 0.0, "e": 1.0})
    assert found == {"c": 1.0, "d": 0.0, "e": 1.0, "b": 0.5, "a": 2 / 3}

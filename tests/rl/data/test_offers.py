"""What a call was chosen from, where the log says it only of the search before."""

from __future__ import annotations

from dataclasses import replace

from domain.trajectories import Step, StepCandidate, StepKind
from rl.data.offers import with_offers
from rl.data.text_steps import imitable
from tests.rl.logs import a_choice


def a_search(number: int, *shown: str, after: str | None = None) -> Step:
    found = tuple(StepCandidate(name, 1.0) for name in shown)
    return Step(
        f"q{number}", StepKind.SEARCH, session="s", parent_id=after, queries=(f"wish {number}",), candidates=found
    )


def a_call(number: int, tool_id: str, after: str | None) -> Step:
    return replace(a_choice(number, tool_id, session="s", candidates=(), queries=()), parent_id=after)


def test_a_call_was_chosen_from_what_the_newest_search_showed_with_it() -> None:
    steps = [a_search(0, "a", "b"), a_search(1, "b", "c", after="q0"), a_call(2, "b", "q1"), a_call(3, "a", "c2")]

    offered = {step.id: [one.tool_id for one in step.candidates] for step in with_offers(steps)}

    assert offered == {"q0": ["a", "b"], "q1": ["b", "c"], "c2": ["b", "c"], "c3": ["a", "b"]}


def test_a_call_of_a_tool_that_no_search_showed_is_left_as_it_is() -> None:
    steps = [a_search(0, "a", "b"), a_call(1, "c", "q0"), a_call(2, "a", None)]

    assert with_offers(steps) == steps


def test_a_call_that_names_its_candidates_keeps_them() -> None:
    steps = [a_search(0, "a", "x"), replace(a_choice(1, "a", session="s"), parent_id="q0")]

    assert with_offers(steps) == steps


def test_the_request_of_a_call_is_the_search_before_it() -> None:
    steps = [a_search(0, "a", "b"), a_call(1, "b", "q0"), a_search(2, "a", "b", after="c1"), a_call(3, "a", "q2")]

    first, second = imitable(with_offers(steps), {})

    assert (first.state, first.action) == ("wish 0", "call b")
    assert second.state.startswith("wish 2; done: b")
    assert second.action == "call a"

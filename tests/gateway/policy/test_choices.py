"""What the log says of searches and what followed, as choices with a reward."""

from __future__ import annotations

from typing import Any

from domain.events import Event, EventKind, Outcome
from gateway.policy.choices import Choice, Choices
from gateway.policy.first_place import FIRST, NOTED


def a_search(first: str = "a", share: float | None = 0.9, **answer: Any) -> Event:
    order = [first, *(name for name in "abc" if name != first)]
    stages = {name: {NOTED: 2.0 - "abc".index(name)} for name in order}
    if share is not None:
        stages[first] |= {FIRST: share}
    found = [{"tool_id": name, "score": 1.0, "stages": stages[name]} for name in order]
    said = {"query": "work wood", "shown": order, "candidates": found, "context": {"calls": 1.0}, **answer}
    return Event("acme", "local", EventKind.SEARCH, 5.0, session_id="s", body={"answers": [said]})


def a_call(tool: str, outcome: Outcome = Outcome.OK) -> Event:
    return Event("acme", "local", EventKind.CALL, 6.0, session_id="s", outcome=outcome, body={"tool_id": tool})


def judged(*events: Event) -> list[Choice]:
    choices = Choices()
    return [choice for event in events if (choice := choices.take(event)) is not None]


def test_a_search_earns_what_its_first_tool_came_to() -> None:
    assert [one.reward for one in judged(a_search(), a_call("a"))] == [1.0]
    assert [one.reward for one in judged(a_search(), a_call("b"))] == [0.0]
    assert [one.reward for one in judged(a_search(), a_call("a", Outcome.TOOL_ERROR))] == [0.0]


def test_a_search_that_is_searched_again_earned_nothing_and_one_that_is_open_is_not_judged_yet() -> None:
    assert [one.reward for one in judged(a_search(), a_search())] == [0.0]
    assert judged(a_search()) == []


def test_only_the_first_call_after_a_search_judges_it() -> None:
    assert [one.reward for one in judged(a_search(), a_call("b"), a_call("a"))] == [0.0]


def test_a_choice_keeps_its_candidates_in_retrieval_s_order_with_the_probability_of_what_stood_first() -> None:
    [choice] = judged(a_search("c", 0.1), a_call("c"))

    assert choice.decision is not None
    assert [one.tool_id for one in choice.decision.candidates] == ["a", "b", "c"]
    assert (choice.decision.chosen, choice.decision.propensity, choice.decision.reward) == (2, 0.1, 1.0)
    assert choice.drawn
    assert choice.context == {"calls": 1.0}


def test_without_a_probability_there_is_a_reward_and_no_decision() -> None:
    [choice] = judged(a_search(share=None), a_call("a"))

    assert (choice.reward, choice.decision, choice.drawn) == (1.0, None, False)


def test_a_choice_says_whose_it_was() -> None:
    [promoted] = judged(a_search(decided_by="embedded scorer:1"), a_call("a"))
    [fast] = judged(a_search(decided_by="inertia 0.812"), a_call("a"))

    assert (promoted.by, fast.by) == ("scorer:1", "inertia")

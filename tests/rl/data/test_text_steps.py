"""Logged decisions as texts: the menu, the state, and pairs that never mix states."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidInput
from domain.events import Outcome
from domain.trajectories import Step, StepKind
from policy_client.text_form import META_TEXTS, call_text, removal_text, state_text
from rl.data.text_steps import pairs, text_decisions
from tests.rl.logs import TOOLS, a_choice, a_judgement

SAID = {"a": "makes an a", "b": "makes a b"}


def judged(number: int, tool: str, success: float, query: str = "make it") -> list[Step]:
    return [a_choice(number, tool, queries=(query,)), a_judgement(number, success)]


def test_a_log_of_calls_has_a_menu_of_calls() -> None:
    first, second = text_decisions([*judged(1, "a", 1.0), *judged(2, "c", 0.0)], SAID)
    assert first.state == "make it"
    assert first.actions == (call_text("a", "makes an a"), call_text("b", "makes a b"), call_text("c"))
    assert (first.action, first.propensity, first.worth) == (call_text("a", "makes an a"), 1 / 3, 1.0)
    assert (second.action, second.worth) == (call_text("c"), 0.0)


def test_kinds_of_action_that_the_log_took_are_open_everywhere() -> None:
    stops = replace(a_choice(3, "a"), kind=StepKind.ANSWER, action={"gave_up": True})
    removes = replace(a_choice(4, "a"), kind=StepKind.REMOVAL, action={"removed": ["b"]}, memory=("b",))
    found = text_decisions([a_choice(1, "a"), stops, removes], SAID)
    assert [decision.action for decision in found] == [
        call_text("a", "makes an a"), META_TEXTS["stop"], removal_text("b", "makes a b"),
    ]  # fmt: skip
    assert META_TEXTS["stop"] in found[0].actions
    assert META_TEXTS["answer"] not in found[0].actions
    assert removal_text("b", "makes a b") not in found[0].actions  # nothing was held


def test_a_state_says_what_was_called_before_and_how_that_ended() -> None:
    first = replace(a_choice(1, "a", queries=("make both",)), outcome=Outcome.TOOL_ERROR)
    then = replace(a_choice(2, "b", queries=()), parent_id=first.id, session=first.session)
    assert text_decisions([first, then], {})[1].state == state_text("make both", [("a", "tool_error")])


def test_what_lies_behind_the_slots_is_left_out() -> None:
    found = text_decisions([a_choice(1, "a"), a_choice(2, "b"), a_choice(3, "c")], {}, slots=2)
    assert [decision.action for decision in found] == [call_text("a"), call_text("b")]


@given(
    st.lists(st.tuples(st.sampled_from(TOOLS), st.sampled_from([0.0, 0.5, 1.0]), st.sampled_from("xyz")), min_size=2)
)
def test_pairs_never_mix_states_and_never_contradict_a_judgement(log: list[tuple[str, float, str]]) -> None:
    steps = [step for number, (tool, success, query) in enumerate(log) for step in judged(number, tool, success, query)]
    said: dict[tuple[str, str], list[float]] = {}
    for tool, success, query in log:
        said.setdefault((query, call_text(tool)), []).append(success)
    expected = {
        (state, won, lost)
        for (state, won), good in said.items()
        for (other, lost), bad in said.items()
        if state == other and min(good) == 1.0 and max(bad) == 0.0
    }
    assert made_of(steps) == expected


def made_of(steps: Sequence[Step]) -> set[tuple[str, str, str]]:
    try:
        return {(pair.state, pair.chosen, pair.rejected) for pair in pairs(text_decisions(steps, {}))}
    except InvalidInput:  # one action only, or nothing to compare
        return set()


def test_a_log_without_decisions_of_one_action_or_without_pairs_is_refused() -> None:
    with pytest.raises(InvalidInput, match="no decision with its candidates"):
        text_decisions([replace(a_choice(1, "a"), candidates=())], {})
    with pytest.raises(InvalidInput, match="the same action"):
        text_decisions([a_choice(1, "a"), a_choice(2, "a")], {})
    with pytest.raises(InvalidInput, match="no pairs to learn from"):
        pairs(text_decisions([*judged(1, "a", 1.0, "one"), *judged(2, "b", 0.0, "two")], {}))

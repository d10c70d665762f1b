"""The components against their papers' values."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidInput
from rl.rewards.checklist import Checklist, Item
from rl.rewards.components import COMPONENTS, ce_gain, efficiency, executed, f1_calls, otc
from rl.rewards.episode import Call, Episode
from rl.rewards.preference import Preference
from rl.rewards.presets import PRESETS, Cosine, preset_named


def calls(number: int, **each: object) -> tuple[Call, ...]:
    return tuple(Call(f"t{n}", **each) for n in range(number))  # type: ignore[arg-type]


def rolled(made: int, *, success: bool, task: str = "t") -> Episode:
    return Episode(task, calls(made), success=success)


def test_calls_are_optimal_where_the_fewest_correct_ones_are_made() -> None:
    group = [rolled(made, success=True) for made in range(2, 7)]
    assert otc(group) == pytest.approx([1.0, 0.951, 0.866, 0.782, 0.707], abs=1e-3)


@given(made=st.integers(0, 50), fewest=st.integers(1, 50))
def test_the_papers_two_steps_are_one_sine(made: int, fewest: int) -> None:
    seen = otc([rolled(fewest, success=True), rolled(made, success=False)])[1]
    f = 2 * fewest * made / (made + fewest)
    assert seen == pytest.approx(math.sin(f * math.pi / (2 * fewest)))
    assert seen == pytest.approx(math.sin(math.pi * made / (made + fewest)))


def test_a_task_that_needs_no_call_is_worth_less_with_each_one_and_nothing_is_known_without_a_correct_rollout() -> None:
    assert otc([rolled(0, success=True), rolled(2, success=True)]) == pytest.approx([1.0, math.cos(2 * math.pi / 5)])
    assert otc([rolled(3, success=False)]) == pytest.approx([1.0])


@given(made=st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=1, max_size=8))
def test_a_wrong_answer_is_worth_exactly_nothing_however_few_calls_it_took(made: list[tuple[int, bool]]) -> None:
    episodes = [rolled(number, success=right) for number, right in made]
    worth = PRESETS["otc"](episodes).total()
    assert all(value == 0 for value, (_, right) in zip(worth, made, strict=True) if not right)
    fewest = [n for n, right in made if right]
    assert all(
        value == pytest.approx(1) for value, (n, right) in zip(worth, made, strict=True) if right and n == min(fewest)
    )


def test_efficiency_is_no_opinion_about_wrong_answers() -> None:
    found = efficiency([rolled(0, success=True), rolled(3, success=True), rolled(0, success=False)])
    assert found[:2] == pytest.approx([1.0, 0.25])
    assert np.isnan(found[2])


def test_f1_weighs_what_was_solved_against_what_was_useful() -> None:
    half = Episode("t", (Call("a", useful=True), Call("b", useful=False)), needed=2, solved=1)
    none = Episode("t", calls(1, useful=False), needed=1, solved=0)
    unknown = Episode("t", calls(1), needed=1, solved=1)
    found = f1_calls([half, none, unknown])
    assert found[:2] == pytest.approx([0.5, 0.0])
    assert np.isnan(found[2])


def test_what_was_never_called_is_not_judged() -> None:
    assert np.isnan(executed([Episode("t")])[0])


@given(nll=st.lists(st.floats(0, 20), min_size=1, max_size=6))
def test_gains_of_single_searches_telescope_and_cannot_be_farmed(nll: list[float]) -> None:
    whole = ce_gain([Episode("t", gold_nll=tuple(nll))])[0]
    parts = [ce_gain([Episode("t", gold_nll=pair)])[0] for pair in pairwise(nll)]
    assert whole == pytest.approx(sum(parts), abs=1e-6)


def test_a_preference_pays_only_for_success_and_more_for_the_cheaper() -> None:
    cheap = Episode("t", (Call("a", price=1.0, latency_s=9.0),), success=True)
    quick = Episode("t", (Call("b", price=5.0, latency_s=1.0),), success=True)
    wrong = Episode("t", (), success=False)
    saves = Preference(cost=1.0)([cheap, quick, wrong])
    hurries = Preference(latency=1.0)([cheap, quick, wrong])
    assert saves[0] > saves[1]
    assert hurries[1] > hurries[0]
    assert saves[2] == hurries[2] == 0


def test_a_preference_beyond_one_is_refused() -> None:
    with pytest.raises(InvalidInput, match="from 0 to 1"):
        Preference(cost=2.0)


LOG = (
    {"kind": "search"},
    {"kind": "call", "action": {"tool_id": "fs__read"}},
    {"kind": "call", "action": {"tool_id": "fs__read"}},
)


def test_an_item_is_paid_once_and_only_behind_what_it_waits_for() -> None:
    found, read = Item("found", {"kind": "search"}), Item("read", {"action.tool_id": "fs__.*"}, 3.0, after=("found",))
    assert Checklist((found, read)).steps(LOG) == pytest.approx([0.25, 0.75, 0.0])
    assert Checklist((found, read)).steps(LOG[1:]) == pytest.approx([0.0, 0.0])


def test_a_checklist_that_cannot_be_worked_through_is_refused() -> None:
    with pytest.raises(InvalidInput, match="'read' waits for found"):
        Checklist((Item("read", {}, after=("found",)),))
    with pytest.raises(InvalidInput, match="'a' occurs twice"):
        Checklist((Item("a", {}), Item("a", {})))


def test_a_schedule_goes_from_its_start_to_its_end_and_stays_there() -> None:
    bonus = Cosine(1.0, 0.0, 100)
    assert [bonus(0), bonus(50), bonus(100), bonus(500)] == pytest.approx([1.0, 0.5, 0.0, 0.0])


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_stores_every_term_and_pays_success_more_than_failure(name: str) -> None:
    good = Episode("t", calls(1, useful=True), success=True, needed=1, solved=1)
    bad = Episode("t", calls(1, useful=False), success=False, needed=1, solved=0)
    vector = PRESETS[name]([good, bad])
    assert set(vector.values) == set(PRESETS[name].terms)
    assert vector.total()[0] > vector.total()[1]


def test_badly_formed_episodes_get_the_floor_of_their_preset() -> None:
    broken = Episode("t", success=True, well_formed=False)
    assert PRESETS["toolstar"]([broken]).total() == pytest.approx([-1.0])
    assert PRESETS["adareasoner"]([broken]).total() == pytest.approx([0.0])


def test_unknown_names_are_answered_with_the_known_ones() -> None:
    with pytest.raises(InvalidInput, match="otc, adareasoner"):
        preset_named("magic")
    assert set(COMPONENTS) >= {term.component for term in PRESETS["spear"].terms.values()}

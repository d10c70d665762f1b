"""What a decision says: probabilities of what was offered, an order, what leaves, what is next."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy_client.decision import Option, Question, decision_of
from policy_client.http.failures import ModelNonsense
from policy_client.scorer_features import META

BY = ("embedded", "scorer:1")
logits = st.floats(-50, 50)


@st.composite
def asked(draw: st.DrawFn) -> tuple[Question, list[float], list[float], list[float]]:
    held = draw(st.lists(st.booleans(), max_size=6))
    options = tuple(Option(f"s__t{number}", held=is_held) for number, is_held in enumerate(held))
    sizes = (len(options), sum(held), len(META))
    calls, removals, meta = (draw(st.lists(logits, min_size=size, max_size=size)) for size in sizes)
    return Question("do it", options), calls, removals, meta


@given(asked())
def test_the_order_is_that_of_the_logits_and_nothing_is_lost(
    given_: tuple[Question, list[float], list[float], list[float]],
) -> None:
    question, calls, removals, meta = given_

    decision = decision_of(question, calls, removals, meta, by=BY)

    by_logit = dict(zip([one.tool_id for one in question.options], calls, strict=True))
    assert sorted(decision.order) == sorted(by_logit)
    ordered = [decision.calls[tool_id] for tool_id in decision.order]
    assert ordered == sorted(ordered, reverse=True)
    total = sum([*decision.calls.values(), *decision.removals.values(), *decision.meta.values()])
    assert math.isclose(total, 1.0, abs_tol=1e-9)
    assert set(decision.leaving) <= {one.tool_id for one in question.held}
    assert -1e-9 <= decision.need <= 1 + 1e-9


def test_a_held_tool_leaves_when_giving_it_back_is_likelier_than_calling_it() -> None:
    question = Question("mail", (Option("s__mail"), Option("s__old", held=True), Option("s__new", held=True)))

    decision = decision_of(question, [2.0, -2.0, 1.0], [0.0, 0.0], [0.0, 0.0, 0.0], by=BY)

    assert decision.leaving == ("s__old",)
    assert decision.next == "s__mail"


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_none_are_no_decision(broken: float) -> None:
    with pytest.raises(ModelNonsense, match="numbers that are none"):
        decision_of(Question("mail", (Option("s__mail"),)), [broken], [], [0.0, 0.0, 0.0], by=BY)


def test_questions_that_differ_in_anything_a_policy_reads_have_other_keys() -> None:
    plain = Question("mail", (Option("s__mail"),))
    others = [
        Question("post", plain.options),
        Question("mail", (Option("s__mail", "Send"),)),
        Question("mail", (Option("s__mail", features={"retrieval": 1.0}),)),
        Question("mail", (Option("s__mail", held=True),)),
        Question("mail", plain.options, (("s__mail", "ok"),)),
        Question("mail", plain.options, context={"calls": 1.0}),
    ]

    assert len({one.key for one in [plain, *others]}) == 7
    assert Question("mail", (Option("s__mail"),)).key == plain.key

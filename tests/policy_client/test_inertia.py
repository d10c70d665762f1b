"""The fast path answers where sessions go on alike, and leaves to others what it is not sure of."""

from __future__ import annotations

import math
import random

from hypothesis import given
from hypothesis import strategies as st

from policy_client.next_tool.inertia import ENOUGH, PRECISION, Held, Inertia, threshold_of
from policy_client.next_tool.situation import Sessions
from tests.policy_client.test_next_tool import TOOLS, asked, session

ALIKE: Sessions = [session([0, 1, 2]) for _ in range(40)]
DICE = random.Random(5)
AT_RANDOM: Sessions = [session([DICE.randrange(6) for _ in range(3)]) for _ in range(60)]


def test_it_answers_with_what_always_followed() -> None:
    inertia = Inertia.fit(ALIKE, TOOLS)
    guess = inertia.guess(asked([0]))
    assert guess is not None
    assert guess.tool == 1
    assert inertia.threshold <= guess.confidence <= 1.0


def test_it_says_nothing_before_anything_was_called() -> None:
    assert Inertia.fit(ALIKE, TOOLS).guess(asked([])) is None


def test_sessions_that_go_on_at_random_teach_it_to_keep_quiet() -> None:
    inertia = Inertia.fit(AT_RANDOM, TOOLS)
    assert all(inertia.guess(asked([tool])) is None for tool in range(6))


def test_a_few_sessions_are_no_evidence() -> None:
    assert Inertia.fit(ALIKE[: ENOUGH // 4], TOOLS).threshold == math.inf


@given(st.lists(st.builds(Held, st.floats(0, 1), st.booleans(), st.booleans()), max_size=200))
def test_what_is_answered_was_right_often_enough_and_no_less_often_than_retrieval(held: list[Held]) -> None:
    threshold = threshold_of(held)
    answered = [one for one in held if one.confidence >= threshold]
    assert sum(one.right for one in answered) >= PRECISION * len(answered)
    assert sum(one.right for one in answered) >= sum(one.retrieval_right for one in answered)

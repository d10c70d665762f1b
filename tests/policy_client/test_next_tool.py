"""The next-tool predictor: what it learns from sessions, what it says without any, and that its weights are optimal."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import InvalidInput
from policy_client.next_tool.baselines import Markov, repeat_last
from policy_client.next_tool.conditional_logit import Choice, fit
from policy_client.next_tool.features import NAMES, features
from policy_client.next_tool.model import NextTool, shipped_weights
from policy_client.next_tool.situation import Example, Floats, Sessions, Situation, ToolTable
from policy_client.next_tool.statistics import Statistics

N, WIDTH = 6, 8
_DICE = np.random.default_rng(3)


def unit(
    vectors: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True), dtype=np.float32)


TOOLS = ToolTable(tuple("abcdef"), unit(_DICE.normal(size=(N, WIDTH))), np.array([0, 0, 0, 1, 1, 1]))
QUERIES = unit(_DICE.normal(size=(2, WIDTH)))
NOTHING = np.zeros(N, dtype=np.float32)


def session(tools: list[int], query: int = 0) -> list[Example]:
    return [
        Example(Situation(QUERIES[query], NOTHING, tuple(tools[:place]), is_new=place == 0), tool)
        for place, tool in enumerate(tools)
    ]


def asked(history: list[int], query: int = 0) -> Situation:
    return Situation(QUERIES[query], NOTHING, tuple(history))


CHAINS: Sessions = [session([0, 1, 2]) for _ in range(12)] + [session([3, 1, 4], query=1) for _ in range(12)]


def test_it_goes_on_as_such_sessions_went_on_where_the_last_tool_alone_cannot_say() -> None:
    model = NextTool.fit(CHAINS, TOOLS)
    assert model.rank(asked([0, 1]))[0] == 2
    assert model.rank(asked([3, 1], query=1))[0] == 4


def test_what_the_user_said_decides_between_equally_usual_successors() -> None:
    sessions: Sessions = [session([0, 1 + query], query) for query in (0, 1) for _ in range(10)]
    model = NextTool.fit(sessions, TOOLS)
    assert [model.rank(asked([0], query))[0] for query in (0, 1)] == [1, 2]


def test_without_sessions_the_found_tool_comes_first() -> None:
    found = NOTHING.copy()
    found[[1, 5]] = 0.4, 1.0
    assert NextTool.prior(TOOLS).rank(Situation(QUERIES[0], found, (4,), is_new=True))[0] == 5


@given(st.lists(st.lists(st.integers(0, N - 1), min_size=1, max_size=5), max_size=6), st.lists(st.integers(0, N - 1)))
@settings(deadline=None)
def test_every_probability_is_one_and_every_feature_finite_whatever_was_seen(
    seen: list[list[int]], history: list[int]
) -> None:
    statistics, now = Statistics([session(tools) for tools in seen], TOOLS), asked(history)
    probabilities = [statistics.first_order(now), statistics.second_order(now), *statistics.in_context(now)]
    for probability in (*probabilities, statistics.popularity):
        assert np.isclose(probability.sum(), 1.0)
        assert (probability > 0).all()
    rows = features(statistics, TOOLS, now)
    assert rows.shape == (N, len(NAMES))
    assert np.isfinite(rows).all()


@given(st.permutations(range(N)))
@settings(deadline=None, max_examples=20)
def test_the_order_of_the_tools_does_not_matter(order: list[int]) -> None:
    place = {tool: new for new, tool in enumerate(order)}
    tools = ToolTable(tuple(TOOLS.ids[t] for t in order), TOOLS.vectors[order], TOOLS.servers[order])
    chains: Sessions = [
        [
            Example(Situation(e.situation.query, NOTHING, tuple(place[t] for t in e.situation.history)), place[e.tool])
            for e in chain
        ]
        for chain in CHAINS
    ]
    here = NextTool(TOOLS, Statistics(CHAINS, TOOLS), shipped_weights()).scores(asked([0, 1]))
    there = NextTool(tools, Statistics(chains, tools), shipped_weights()).scores(asked([place[0], place[1]]))
    assert np.allclose(here[order], there, atol=1e-5)


def test_weights_of_another_schema_are_refused() -> None:
    with pytest.raises(InvalidInput, match="weights"):
        NextTool(TOOLS, Statistics((), TOOLS), np.zeros(3))


def test_fitted_weights_are_where_the_gradient_vanishes() -> None:
    dice = np.random.default_rng(5)
    truth: Floats = np.array([2.0, -1.0, 0.5])
    choices = []
    for _ in range(300):
        rows = dice.normal(size=(5, 3))
        choices.append(Choice(rows, int(np.argmax(rows @ truth + dice.gumbel(size=5)))))
    weights = fit(choices, np.zeros(3), ridge=1.0)
    gradient = -weights
    for choice in choices:
        likely = np.exp(choice.rows @ weights)
        gradient = gradient + choice.rows[choice.chosen] - likely @ choice.rows / likely.sum()
    assert np.abs(gradient).max() < 1e-3
    assert np.allclose(weights, truth, atol=0.4)


def test_without_a_choice_weights_stay_where_they_were() -> None:
    assert list(fit([], np.array([1.0, 2.0]), ridge=1.0)) == [1.0, 2.0]


def test_a_chain_proposes_the_usual_successor_then_the_most_used() -> None:
    chain = Markov(CHAINS, TOOLS)
    assert chain.rank(asked([0]))[0] == 1
    assert chain.rank(asked([5]))[0] == 1


def test_repeating_proposes_the_latest_first_each_once() -> None:
    assert repeat_last(asked([0, 2, 0, 3])) == [3, 0, 2]

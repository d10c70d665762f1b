"""An adapter trained on logged choices alone learns what the choices brought."""

from __future__ import annotations

import numpy as np
import pytest

from domain.errors import InvalidInput
from domain.trajectories import StepCandidate
from index.adapter.evidence import Vectors
from policy_client.ope.choices import Decision
from rl.adapter.fit import fit_adapter
from rl.data.bandit import Behaviour, Labelled, as_steps, logged
from rl.data.checks import require_one_version
from rl.data.decisions import decisions

DICE = np.random.default_rng(11)


def a_world(count: int) -> tuple[list[Labelled], dict[str, Vectors]]:
    """Three kinds of query, each right for one tool; retrieval always prefers the first."""
    queries, vectors = [], {}
    for number in range(count):
        kind, text = number % 3, f"query {number}"
        vector = np.eye(3, 16)[kind] + 0.25 * DICE.normal(size=16)
        vectors[text] = (vector / np.linalg.norm(vector)).astype(np.float32)
        candidates = tuple(StepCandidate(tool, 1.0 - 0.2 * place) for place, tool in enumerate("abc"))
        queries.append(Labelled(text, candidates, tuple(place == kind for place in range(3))))
    return queries, vectors


def test_it_learns_from_judged_choices_what_retrieval_did_not_know() -> None:
    train, vectors = a_world(300)
    test, more = a_world(60)
    adapter = fit_adapter(logged(train, np.random.default_rng(0), Behaviour(0.5, 0.2)), vectors, "v1")
    right = [asked.right[adapter.order(more[asked.query], list("abc"), [1.0, 0.8, 0.6])[0]] for asked in test]
    assert np.mean(right) > 0.9


def test_a_canary_decides_its_share_and_the_log_says_with_what_probability() -> None:
    train, _ = a_world(6000)
    log = logged(train, np.random.default_rng(3), Behaviour(0.1, 0.05, 0.2), {asked.query: 2 for asked in train})
    third = [decision for decision in log if decision.chosen == 2]
    softmax = np.exp(np.array([0.0, -2.0, -4.0]))
    expected = 0.75 * softmax[2] / softmax.sum() + 0.05 / 3 + 0.2
    assert all(decision.propensity == pytest.approx(expected) for decision in third)
    assert abs(len(third) / len(log) - expected) < 0.02


def test_a_simulated_log_says_with_what_probability_it_chose_and_survives_the_export() -> None:
    train, _ = a_world(2000)
    found = logged(train, np.random.default_rng(1), Behaviour(0.5, 0.2))
    steps = as_steps(found, "i1")
    require_one_version(steps)
    again = decisions(steps)
    assert [(d.query, d.chosen, d.propensity, d.reward) for d in again] == [
        (d.query, d.chosen, d.propensity, d.reward) for d in found
    ]
    first = Behaviour(0.5, 0.2).probabilities(np.array([1.0, 0.8, 0.6]))
    assert np.isclose(first.sum(), 1.0)
    assert np.allclose(np.bincount([d.chosen for d in found]) / 2000, first, atol=0.04)


@pytest.mark.parametrize(("propensity", "reward"), [(None, 1.0), (0.5, None), (0.5, float("nan"))])
def test_what_cannot_be_learnt_from_is_refused_before_training(propensity: float | None, reward: float | None) -> None:
    train, vectors = a_world(9)
    candidates = train[0].candidates
    broken = [Decision(train[n].query, candidates, n % 3, propensity, reward) for n in range(9)]
    with pytest.raises(InvalidInput):
        fit_adapter(broken, vectors, "v1")

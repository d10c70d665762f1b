"""Policies over candidates whose value is asked for. Each gives a probability per candidate of one decision."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from domain.errors import InvalidInput
from policy_client.ope.choices import Decision, Probabilities

Target = Callable[[Decision], Probabilities]
"""Shape (candidates,), sums to 1."""


def greedy(decision: Decision) -> Probabilities:
    """The highest score, the earlier of equal ones."""
    chosen = np.zeros(len(decision.candidates))
    chosen[int(np.argmax(_scores(decision)))] = 1.0
    return chosen


def uniform(decision: Decision) -> Probabilities:
    return np.full(len(decision.candidates), 1 / len(decision.candidates))


def softmax(temperature: float) -> Target:
    """exp(score / temperature), normalised. Raises InvalidInput for a temperature that is not above 0."""
    if not (np.isfinite(temperature) and temperature > 0):
        raise InvalidInput(f"A temperature is above 0, not {temperature}.")

    def target(decision: Decision) -> Probabilities:
        scores = _scores(decision) / temperature
        weights = np.exp(scores - scores.max())
        return np.asarray(weights / weights.sum())

    return target


def target_named(name: str) -> Target:
    """`greedy`, `uniform` or `softmax:TEMPERATURE`. Raises InvalidInput."""
    kind, _, temperature = name.partition(":")
    if name == "greedy":
        return greedy
    if name == "uniform":
        return uniform
    if kind == "softmax":
        try:
            return softmax(float(temperature))
        except ValueError as error:
            raise InvalidInput(f"The temperature of {name!r} is no number.") from error
    raise InvalidInput(f"No policy is called {name!r}; it is greedy, uniform or softmax:TEMPERATURE.")


def _scores(decision: Decision) -> Probabilities:
    return np.array([candidate.score for candidate in decision.candidates])

"""Conditional logit (McFadden 1974): weights that make the chosen row of each table the likeliest. Newton's method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from policy_client.next_tool.situation import Floats

_ROUNDS = 50
_ENOUGH = 1e-6
_SMALLEST_STEP = 1e-4


@dataclass(frozen=True, slots=True)
class Choice:
    """One choice: a row per alternative, shape (alternatives, features), and which row was chosen."""

    rows: Floats
    chosen: int


def fit(choices: Sequence[Choice], start: Floats, ridge: float) -> Floats:
    """Weights that maximise log-likelihood - ridge / 2 * |weights - start|^2; `start` where there is no choice."""
    weights = start.copy()
    value = _objective(choices, weights, start, ridge)
    for _ in range(_ROUNDS if choices else 0):
        gradient, curvature = _derivatives(choices, weights, start, ridge)
        direction = np.linalg.solve(curvature, gradient)
        step = 1.0
        better = _objective(choices, weights + direction, start, ridge)
        while better <= value and step > _SMALLEST_STEP:
            step /= 2
            better = _objective(choices, weights + step * direction, start, ridge)
        if better <= value:
            break
        weights = weights + step * direction
        if better - value < _ENOUGH:
            break
        value = better
    return weights


def _objective(choices: Sequence[Choice], weights: Floats, start: Floats, ridge: float) -> float:
    total = -0.5 * ridge * float(((weights - start) ** 2).sum())
    for choice in choices:
        scores = choice.rows @ weights
        top = scores.max()
        total += float(scores[choice.chosen] - top - np.log(np.exp(scores - top).sum()))
    return total


def _derivatives(choices: Sequence[Choice], weights: Floats, start: Floats, ridge: float) -> tuple[Floats, Floats]:
    """Gradient, and minus the Hessian, which is positive definite."""
    gradient = -ridge * (weights - start)
    curvature = ridge * np.eye(len(weights))
    for choice in choices:
        scores = choice.rows @ weights
        likely = np.exp(scores - scores.max())
        likely /= likely.sum()
        mean = likely @ choice.rows
        gradient += choice.rows[choice.chosen] - mean
        curvature += (choice.rows * likely[:, None]).T @ choice.rows - np.outer(mean, mean)
    return gradient, curvature

"""Logistic regression by Newton's method, with a ridge and a weight per row. Numpy only."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_ROUNDS = 30
_ENOUGH = 1e-5


def logistic_regression(rows: Floats, rewards: Floats, *, ridge: float, weights: Floats | None = None) -> Floats:
    """Shape (features,). `rewards` between 0 and 1 are shares of success; `weights`, shape (rows,), 1 by default."""
    counted = np.ones(len(rows)) if weights is None else weights
    fitted = np.zeros(rows.shape[1])
    for _ in range(_ROUNDS):
        likely = logistic(rows @ fitted)
        gradient = rows.T @ (counted * (rewards - likely)) - ridge * fitted
        curvature = (rows * (counted * likely * (1 - likely))[:, None]).T @ rows + ridge * np.eye(rows.shape[1])
        step = np.linalg.solve(curvature, gradient)
        fitted += step
        if np.abs(step).max() < _ENOUGH:
            break
    return fitted


def logistic(values: Floats) -> Floats:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * values)))

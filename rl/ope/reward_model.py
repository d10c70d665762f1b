"""A model of the reward of any candidate, for the doubly robust estimate: ridge regression on what a candidate shows.

Each decision is judged by a model that has not seen it, nor any other of its session (cross-fitting); otherwise the
estimate's interval would be too narrow.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from domain.canonical import sha256_hex
from rl.data.decisions import Decision

FOLDS = 5
_RIDGE = 1.0
_PRIOR = 5.0
"""Decisions that a tool's mean reward is shrunk towards the general mean by."""

Matrix = npt.NDArray[np.float64]


def cross_fitted(found: Sequence[Decision], folds: int = FOLDS) -> list[Matrix]:
    """Per decision the expected reward of each candidate, shape (candidates,), between 0 and 1."""
    of_fold = [_fold(number, decision, folds) for number, decision in enumerate(found)]
    models = [RewardModel([d for d, at in zip(found, of_fold, strict=True) if at != fold]) for fold in range(folds)]
    return [models[fold](decision) for decision, fold in zip(found, of_fold, strict=True)]


class RewardModel:
    """Fitted when made; without a decision it expects 1/2 of everything."""

    def __init__(self, found: Sequence[Decision]) -> None:
        rewards = np.array([decision.reward or 0.0 for decision in found])
        self._mean = float(rewards.mean()) if rewards.size else 0.5
        self._times = Counter(decision.tool_id for decision in found)
        self._earned: Counter[str] = Counter()
        for decision in found:
            self._earned[decision.tool_id] += decision.reward or 0.0  # type: ignore[assignment]  # counts halves too
        self._weights = np.zeros(0)
        if found:
            rows = np.array([self._of_chosen(decision) for decision in found])
            gram = rows.T @ rows + _RIDGE * np.eye(rows.shape[1])
            self._weights = np.linalg.solve(gram, rows.T @ (rewards - self._mean))

    def __call__(self, decision: Decision) -> Matrix:
        if not self._weights.size:
            return np.full(len(decision.candidates), self._mean)
        return np.clip(self._mean + self._features(decision) @ self._weights, 0.0, 1.0)

    def _features(self, decision: Decision) -> Matrix:
        """Shape (candidates, 5): 1, score, lead over the best other, 1 / rank, the tool's own mean reward."""
        scores = np.array([candidate.score for candidate in decision.candidates])
        ranks = np.empty(len(scores))
        ranks[np.argsort(-scores, kind="stable")] = np.arange(1, len(scores) + 1)
        best = np.sort(scores)[-2:]
        lead = scores - np.where(scores == best[-1], best[0], best[-1])
        own = [self._of_tool(candidate.tool_id) - self._mean for candidate in decision.candidates]
        return np.column_stack([np.ones_like(scores), scores, lead, 1 / ranks, own])

    def _of_chosen(self, decision: Decision) -> list[float]:
        """The chosen candidate's row of `_features`, without making the others."""
        scores = [candidate.score for candidate in decision.candidates]
        mine = scores[decision.chosen]
        best = sorted(scores)[-2:]
        ahead = sum(1 for n, score in enumerate(scores) if score > mine or (score == mine and n < decision.chosen))
        lead = mine - (best[0] if mine == best[-1] else best[-1])
        return [1.0, mine, lead, 1 / (1 + ahead), self._of_tool(decision.tool_id) - self._mean]

    def _of_tool(self, tool_id: str) -> float:
        return float((self._earned[tool_id] + _PRIOR * self._mean) / (self._times[tool_id] + _PRIOR))


def _fold(number: int, decision: Decision, folds: int) -> int:
    return int(sha256_hex(decision.session or str(number))[:8], 16) % folds

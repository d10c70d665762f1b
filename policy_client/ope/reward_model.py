"""A model of the reward of any candidate, for the doubly robust estimate: logistic regression on what a candidate shows
and on how likely the evaluated policy makes it.

Fitted on what was logged as it is, such a model is right about what the log did, and wrong where it matters: about the
choices of the policy that is evaluated. So every row counts by its importance weight, as if that policy had made the
log (in the spirit of MRDR, Farajtabar, Chow and Ghavamzadeh 2018, which minimises the estimate's variance over models).

Each decision is judged by a model that has not seen it, nor any other of its session (cross-fitting); otherwise the
estimate's interval would be too narrow.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from domain.canonical import sha256_hex
from policy_client.logistic_regression import logistic, logistic_regression
from policy_client.ope.choices import Decision, Probabilities

FOLDS = 5
MOST_WEIGHT = 100.0
"""Bound of an importance weight in the fit: beyond it single decisions would be the whole model."""

_ANYWAY = 0.05  # what a decision counts that the policy would never have made
_RIDGE = 1.0
_PRIOR = 5.0  # decisions that a tool's mean reward is shrunk towards the general mean by

Matrix = npt.NDArray[np.float64]


def cross_fitted(found: Sequence[Decision], probabilities: Sequence[Probabilities], folds: int = FOLDS) -> list[Matrix]:
    """Per decision the expected reward of each candidate, shape (candidates,), between 0 and 1. `probabilities`: of the
    policy that is evaluated, one array per decision.
    """
    of_fold = np.array([_fold(number, decision, folds) for number, decision in enumerate(found)])
    expected: list[Matrix] = [np.zeros(0)] * len(found)
    for fold in range(folds):
        taught, judged = np.flatnonzero(of_fold != fold).tolist(), np.flatnonzero(of_fold == fold).tolist()
        model = RewardModel([found[n] for n in taught], [probabilities[n] for n in taught])
        for n in judged:
            expected[n] = model(found[n], probabilities[n])
    return expected


class RewardModel:
    """Fitted when made; without a decision it expects 1/2 of everything."""

    def __init__(self, found: Sequence[Decision], probabilities: Sequence[Probabilities]) -> None:
        rewards = np.array([decision.reward or 0.0 for decision in found])
        self._mean = float(rewards.mean()) if rewards.size else 0.5
        self._times = Counter(decision.tool_id for decision in found)
        self._earned: Counter[str] = Counter()
        for decision in found:
            self._earned[decision.tool_id] += decision.reward or 0.0  # type: ignore[assignment]  # counts halves too
        self._weights = np.zeros(0)
        if found:
            chosen = np.array([decision.chosen for decision in found])
            rows = np.array([self._of_chosen(d, p) for d, p in zip(found, probabilities, strict=True)])
            likely = np.array([p[at] for p, at in zip(probabilities, chosen, strict=True)])
            importance = likely / np.array([decision.propensity or 1.0 for decision in found])
            counted = np.minimum(importance, MOST_WEIGHT) + _ANYWAY
            self._weights = logistic_regression(rows, rewards, ridge=_RIDGE, weights=counted / counted.mean())

    def __call__(self, decision: Decision, probabilities: Probabilities) -> Matrix:
        if not self._weights.size:
            return np.full(len(decision.candidates), self._mean)
        return logistic(self._features(decision, probabilities) @ self._weights)

    def _features(self, decision: Decision, likely: Probabilities) -> Matrix:
        """Shape (candidates, 9): 1, score, lead over the best other, 1 / rank, the tool's own mean reward; then the
        policy's probability by itself and times score, lead and 1 / rank.
        """
        scores = np.array([candidate.score for candidate in decision.candidates])
        ranks = np.empty(len(scores))
        ranks[np.argsort(-scores, kind="stable")] = np.arange(1, len(scores) + 1)
        best = np.sort(scores)[-2:]
        lead = scores - np.where(scores == best[-1], best[0], best[-1])
        own = [self._of_tool(candidate.tool_id) - self._mean for candidate in decision.candidates]
        shown = (scores, lead, 1 / ranks)
        return np.column_stack([np.ones_like(scores), *shown, own, likely, *(likely * column for column in shown)])

    def _of_chosen(self, decision: Decision, likely: Probabilities) -> list[float]:
        """The chosen candidate's row of `_features`, without making the others."""
        scores = [candidate.score for candidate in decision.candidates]
        mine = scores[decision.chosen]
        best = sorted(scores)[-2:]
        ahead = sum(1 for n, score in enumerate(scores) if score > mine or (score == mine and n < decision.chosen))
        lead = mine - (best[0] if mine == best[-1] else best[-1])
        shown = (mine, lead, 1 / (1 + ahead))
        p = float(likely[decision.chosen])
        return [1.0, *shown, self._of_tool(decision.tool_id) - self._mean, p, *(p * value for value in shown)]

    def _of_tool(self, tool_id: str) -> float:
        return float((self._earned[tool_id] + _PRIOR * self._mean) / (self._times[tool_id] + _PRIOR))


def _fold(number: int, decision: Decision, folds: int) -> int:
    return int(sha256_hex(decision.session or str(number))[:8], 16) % folds

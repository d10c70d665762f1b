"""A model of the reward of a candidate, for doubly robust estimates: logistic regression on what the candidate shows,
on how likely the evaluated policy makes it, and on how the same tool did near the query.

Fitted on what was logged as it is, such a model is right about what the log did, and wrong where it matters: about
the choices of the policy that is evaluated. So every row counts by its importance weight (in the spirit of MRDR,
Farajtabar, Chow and Ghavamzadeh 2018), bounded low: with weights up to 100 a few lucky decisions were the whole model.

Each decision is judged by a model that has not seen it, nor any other of its session (cross-fitting); otherwise the
estimate's interval would be too narrow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from domain.errors import InvalidInput
from policy_client.logistic_regression import logistic, logistic_regression
from policy_client.ope.choices import Decision, Probabilities
from policy_client.ope.estimators import Logged
from policy_client.ope.evidence import FOLDS, Evidence, Floats, Vectors, evidence

MOST_WEIGHT = 3.0
"""Bound of an importance weight in the fit. Of 1, 3, 10, 30 and 100 on a population of its own (docs/rl/off-policy.md):
from 3 down the choices of the evaluated policy are still judged without bias where the log seldom made them.
"""

_ANYWAY = 0.05  # what a decision counts that the policy would never have made
_RIDGE = 1.0


@dataclass(frozen=True, slots=True)
class RewardModels:
    """The models of a log under one policy, each fitted when it is asked for and kept."""

    evidence: Evidence
    _fitted: dict[frozenset[int], Floats] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        found: Sequence[Decision],
        probabilities: Sequence[Probabilities],
        vectors: Mapping[str, Vectors] | None = None,
    ) -> RewardModels:
        return cls(evidence(found, probabilities, vectors))

    def logged(self, without: int | None = None) -> Logged:
        """What the estimators work on; `without`: as if the decisions of that fold had never been made.

        Raises InvalidInput when nothing is left.
        """
        pairs, fold = self.evidence.pairs, self.evidence.fold
        kept = np.flatnonzero(fold != without) if without is not None else np.arange(len(fold))
        if not kept.size:
            raise InvalidInput("An interval needs decisions of more than one session.")
        expected = self.expected(without)
        value: Floats = np.zeros(len(fold))
        np.add.at(value, pairs.of, pairs.likely * np.nan_to_num(expected))
        chosen = pairs.logged[kept]
        return Logged(
            self.evidence.reward[kept], self.evidence.propensity[kept], pairs.likely[chosen], expected[chosen],
            value[kept],
        )  # fmt: skip

    def expected(self, without: int | None = None) -> Floats:
        """Expected reward of every pair, shape (pairs,), nan for those of the fold that is left out."""
        fold = self.evidence.fold[self.evidence.pairs.of]
        expected = np.full(len(fold), np.nan)
        for one in range(FOLDS):
            if one != without:
                unseen = frozenset({one} if without is None else {one, without})
                which = np.flatnonzero(fold == one)
                expected[which] = logistic(self.evidence.rows(which, unseen) @ self._weights(unseen))
        return expected

    def _weights(self, unseen: frozenset[int]) -> Floats:
        if unseen not in self._fitted:
            taught = np.flatnonzero(~np.isin(self.evidence.fold, list(unseen)))
            pairs = self.evidence.pairs.logged[taught]
            rows = self.evidence.rows(pairs, unseen)
            importance = self.evidence.pairs.likely[pairs] / self.evidence.propensity[taught]
            counted = np.minimum(importance, MOST_WEIGHT) + _ANYWAY
            weights = counted / counted.mean() if counted.size else counted
            self._fitted[unseen] = logistic_regression(
                rows, self.evidence.reward[taught], ridge=_RIDGE, weights=weights
            )
        return self._fitted[unseen]


def cross_fitted(found: Sequence[Decision], probabilities: Sequence[Probabilities]) -> list[Floats]:
    """Per decision the expected reward of each candidate that was chosen or that the policy may choose, and 0 of the
    others, which count for no estimate; shape (candidates,).
    """
    models = RewardModels.of(found, probabilities)
    expected = iter(models.expected().tolist())
    made = []
    for decision, likely in zip(found, probabilities, strict=True):
        counted = np.union1d(np.flatnonzero(likely > 0), [decision.chosen])
        values = np.zeros(len(decision.candidates))
        values[counted] = [next(expected) for _ in counted]
        made.append(values)
    return made

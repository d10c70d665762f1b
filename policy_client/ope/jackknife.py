"""Intervals that know of the reward model's own error: the estimate again without each tenth of the sessions.

What an estimate trusts to its model, the spread of its terms says nothing of: the model's error is the same in all of
them. Leaving out a fold of sessions leaves them out of the models too (the delete-a-group jackknife; Efron 1982, Kott
2001). Interval: Student's t with FOLDS - 1 degrees of freedom.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from policy_client.ope.estimators import Estimate, Logged
from policy_client.ope.evidence import FOLDS
from policy_client.ope.reward_model import RewardModels

T95 = 2.262157
"""The 97.5 % quantile of Student's t with 9 degrees of freedom."""

Estimator = Callable[[Logged], Estimate]


def jackknifed(estimators: Mapping[str, Estimator], models: RewardModels) -> dict[str, Estimate]:
    """Values of the whole log, each with this interval. Raises InvalidInput for a log of one session."""
    whole = models.logged()
    parts = [models.logged(without) for without in range(FOLDS) if (models.evidence.fold == without).any()]
    found = {}
    for name, estimator in estimators.items():
        value = estimator(whole).value
        values = np.array([estimator(part).value for part in parts])
        groups = len(values)
        half = T95 * math.sqrt((groups - 1) / groups * float(((values - values.mean()) ** 2).sum()))
        found[name] = Estimate(name, value, value - half, value + half)
    return found

"""IPS, SNIPS and doubly robust estimates of a policy's value, with 95 % intervals and the effective sample size.

With w = pi(a|x) / p(a|x), reward r, a model q of the reward, and v(x) = sum_a pi(a|x) q(x, a):

    IPS    mean(w r)                     Horvitz and Thompson 1952
    SNIPS  sum(w r) / sum(w)             Swaminathan and Joachims 2015; interval by the delta method
    DR     mean(v + w (r - q))           Dudik, Langford and Li 2011; q must not have seen the steps it is used on
    SNDR   mean(v) + sum(w (r - q)) / sum(w)   self-normalised; Thomas and Brunskill 2016 (WDR for one step)
    Switch DR with w = 0 above a bound   Wang, Agarwal and Dudik 2017: there the model alone is believed
    DRos   DR with l w / (w^2 + l)       Su, Dimakopoulou, Krishnamurthy and Dudik 2020, optimistic shrinkage

Switch and DRos trade variance for a bias where the log hardly ever did what the policy would do. Here l = n / 10, so
that the bias goes away as a log grows; n / 10 was chosen on a population of its own (docs/rl/off-policy.md).

Effective sample size: (sum w)^2 / sum w^2 (Kish 1965). Below a floor nothing is estimated: a few steps with huge
weights give a number and an interval, and both are wrong.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from domain.errors import InvalidInput

Vector = npt.NDArray[np.float64]

Z95 = 1.959964
FLOOR = 100.0
SWITCH = 30.0
SHRINKAGE = 0.1


@dataclass(frozen=True, slots=True)
class Logged:
    """Shape (n,) each. `target`: pi of the logged action; `model`: q of it; `value`: v of the context."""

    reward: Vector
    propensity: Vector
    target: Vector
    model: Vector
    value: Vector

    def __post_init__(self) -> None:
        arrays = (self.reward, self.propensity, self.target, self.model, self.value)
        if any(array.shape != self.reward.shape or array.ndim != 1 for array in arrays) or not self.reward.size:
            raise InvalidInput("An estimate needs as many rewards, propensities and probabilities, and at least one.")
        if not all(np.isfinite(array).all() for array in arrays):
            raise InvalidInput("An estimate needs finite numbers; a reward, a propensity or a model's value is not.")
        if not ((self.propensity > 0) & (self.propensity <= 1)).all():
            raise InvalidInput("A propensity is above 0 and at most 1; what was done cannot have been impossible.")

    @property
    def weights(self) -> Vector:
        return self.target / self.propensity


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its 95 % interval."""

    name: str
    value: float
    low: float
    high: float

    def covers(self, truth: float) -> bool:
        return self.low <= truth <= self.high


def effective_sample_size(weights: Vector) -> float:
    """How many steps of the policy's own these are worth; 0 where none of them counts."""
    total = float((weights**2).sum())
    return float(weights.sum()) ** 2 / total if total else 0.0


def require_overlap(logged: Logged, floor: float = FLOOR) -> float:
    """The effective sample size. Raises InvalidInput when it is below `floor`."""
    found = effective_sample_size(logged.weights)
    if found < floor:
        raise InvalidInput(
            f"The {logged.reward.size} logged steps are worth {found:.0f} of this policy's own, below the floor of "
            f"{floor:.0f}: the policy does what was hardly ever done. Log more, or with exploration."
        )
    return found


def ips(logged: Logged) -> Estimate:
    return _mean("ips", logged.weights * logged.reward)


def snips(logged: Logged) -> Estimate:
    weights = logged.weights
    value = float((weights * logged.reward).sum() / weights.sum())
    spread = weights * (logged.reward - value) / weights.mean()
    return _around("snips", value, spread)


def doubly_robust(logged: Logged) -> Estimate:
    return _mean("dr", doubly_robust_terms(logged))


def doubly_robust_terms(logged: Logged) -> Vector:
    """Shape (n,): what each step says of the policy's value; the estimate is their mean."""
    return logged.value + logged.weights * (logged.reward - logged.model)


def by_session(name: str, terms: Vector, sessions: Sequence[str]) -> Estimate:
    """The mean of terms whose steps of one session go up and down together: deviations are summed by session before
    they are squared (the cluster-robust variance, Liang and Zeger 1986).
    """
    value = float(terms.mean())
    _, places = np.unique(np.asarray(sessions), return_inverse=True)
    sums = np.bincount(places, weights=terms - value)
    count = sums.size
    half = Z95 * math.sqrt(count / max(count - 1, 1) * float((sums**2).sum())) / terms.size
    return Estimate(name, value, value - half, value + half)


def self_normalised_dr(logged: Logged) -> Estimate:
    """Interval by the delta method."""
    weights, residuals = logged.weights, logged.reward - logged.model
    mean = float((weights * residuals).sum() / weights.sum())
    spread = logged.value - logged.value.mean() + weights * (residuals - mean) / weights.mean()
    return _around("sndr", float(logged.value.mean()) + mean, spread)


def switch_dr(logged: Logged) -> Estimate:
    weights = np.where(logged.weights > SWITCH, 0.0, logged.weights)
    return _mean("switch", logged.value + weights * (logged.reward - logged.model))


def shrunk_dr(logged: Logged) -> Estimate:
    """DRos. Its own interval knows nothing of the model's error; policy_client/ope/jackknife.py has one that does."""
    bound = logged.reward.size * SHRINKAGE
    weights = bound * logged.weights / (logged.weights**2 + bound)
    return _mean("dros", logged.value + weights * (logged.reward - logged.model))


def direct(logged: Logged) -> Estimate:
    """The model's own opinion. Its interval knows nothing of the model's bias: never report it alone."""
    return _mean("dm", logged.value)


def _mean(name: str, terms: Vector) -> Estimate:
    value = float(terms.mean())
    return _around(name, value, terms - value)


def _around(name: str, value: float, deviations: Vector) -> Estimate:
    """Normal interval; deviations from the value, one per step."""
    n = deviations.size
    half = Z95 * math.sqrt(float((deviations**2).sum()) / max(n - 1, 1) / n)
    return Estimate(name, value, value - half, value + half)

"""Watches a promoted policy: when it earns less than what it replaced did, it is rolled back.

Each judged search of its own multiplies a wager against it, 1 + lambda (m0 - r), of the reward r from 0 to 1; m0 is the
lower end of the interval of what the replaced one earned, as the gate estimated it. While the policy earns m0 or more
on average, the wager is expected to lose, whatever the rewards' distribution (betting, Waudby-Smith and Ramdas 2024).
It starts over at 1 whenever it falls below, so that a policy which begins to fail late is found as soon (Page 1954,
CUSUM); stopped at the limit A, a policy that is as good as m0 is rolled back in n decisions with a probability of at
most n / A (a union bound over starts, each by Ville's inequality; e-detectors, Shin, Ramdas and Rinaldo 2024). For
rewards of 0 and 1 it is Page's CUSUM of the likelihood ratio. lambda suits a policy that earns DROP of m0 less.
"""

from __future__ import annotations

from dataclasses import dataclass

LIMIT = 10_000.0
"""A. A policy no worse than m0: a false alarm in n decisions has at most the probability n / A, in truth far less:
`make policy ARGS=lifecycle` measures it."""

DROP = 0.5
"""The share of m0 that is lost in the regression which is found soonest."""

LEAST = 0.02
"""A baseline that earns less than this cannot be fallen below in any number of decisions that matters."""


@dataclass(slots=True)
class Monitor:
    """Of one promotion. `bar`: m0, from 0 to 1."""

    bar: float
    decisions: int = 0
    earned: float = 0.0
    wager: float = 1.0

    @property
    def is_watching(self) -> bool:
        return self.bar >= LEAST

    def take(self, reward: float) -> bool:
        """Whether this decision was one too many. `reward`: from 0 to 1."""
        self.decisions += 1
        self.earned += reward
        if self.is_watching:
            self.wager = max(self.wager, 1.0) * (1.0 + self._stake * (self.bar - reward))
        return self.has_failed

    @property
    def has_failed(self) -> bool:
        return self.wager >= LIMIT

    @property
    def sentence(self) -> str:
        """Why it was rolled back."""
        return (
            f"It earned {self.earned / max(self.decisions, 1):.3f} over {self.decisions} decisions and the one before "
            f"at least {self.bar:.3f}: the wager against it reached {self.wager:.0f} of {LIMIT:.0f}."
        )

    @property
    def _stake(self) -> float:
        """Kelly's for a policy that earns (1 - DROP) m0: the likelihood ratio of one reward of 0 or 1."""
        bar = min(self.bar, 0.99)
        return DROP / (1.0 - bar)

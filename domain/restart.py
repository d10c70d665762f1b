"""When to give an attempt up and begin anew: E[makespan] = E[time per attempt] / P(an attempt ends in success).

The renewal argument behind "restart early" (paper 28; the form is ours: docs/policy.md). A failure predictor that is
right or wrong with known probabilities gives `expected_makespan`; a timeout is the special case of the predictor "still
running at tau", whose probabilities come from recorded attempts (`best_timeout`). Pure.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

ENOUGH = 30
"""Attempts that were seen to their end before a timeout is chosen from them."""

GAIN = 0.1
"""Share of the expected time that a timeout has to save, by its cautious estimate, to be worth the repeated work."""

_MARGIN = 1.05  # a timeout lies so much above the latency that it was chosen by
_Z = 1.645  # one-sided 95 %


class End(StrEnum):
    """How an attempt ended."""

    ANSWERED = "answered"  # an answer came, also one that says the tool failed: asking again would not better it
    FAILED = "failed"  # none will come: the connection broke, the server said that it could not
    CUT = "cut"  # given up while it was still running


@dataclass(frozen=True, slots=True)
class Attempt:
    """`seconds` from its beginning to that end."""

    seconds: float
    end: End


@dataclass(frozen=True, slots=True)
class Odds:
    """A failure predictor's confusion matrix: shares of attempts, which add up to 1, and the mean seconds of each kind.

    kept: would succeed and was left to (TP); spoilt: would succeed and was given up (FN); spared: would fail and was
    given up (TN); missed: would fail and was left to (FP). Whatever does not succeed is begun anew after `restart_s`.
    """

    kept: tuple[float, float]
    spoilt: tuple[float, float]
    spared: tuple[float, float]
    missed: tuple[float, float]
    restart_s: float = 0.0


def expected_makespan(odds: Odds) -> float:
    """Seconds until the first success; infinite where none comes."""
    share, seconds = odds.kept
    if share <= 0:
        return math.inf
    again = sum(part * (took + odds.restart_s) for part, took in (odds.spoilt, odds.spared, odds.missed))
    return (share * seconds + again) / share


def without_predictor(succeeds: float, success_s: float, failure_s: float, restart_s: float = 0.0) -> float:
    """The same where every attempt is left to its end: a predictor is worth asking iff its makespan is below this."""
    return expected_makespan(Odds((succeeds, success_s), (0.0, 0.0), (0.0, 0.0), (1 - succeeds, failure_s), restart_s))


def best_timeout(attempts: Sequence[Attempt], ceiling_s: float, most: int = 2, restart_s: float = 0.0) -> float | None:
    """The timeout below `ceiling_s` with the least expected makespan; None where none is surely worth it.

    What is minimised is `makespan_of_calls`: of a first attempt with E[min(T, tau)] and F(tau), the share answered by
    tau, and of a last one with the ceiling. Both are those of recorded attempts; attempts that were cut only say that
    they took longer (Kaplan and Meier 1958). F(tau) is taken at its lower 95 % bound, F(ceiling) as it is seen: a few
    lucky attempts give nobody a hasty timeout.
    """
    if sum(attempt.end is not End.CUT for attempt in attempts) < ENOUGH:
        return None
    curve = _Curve(attempts)
    last = (curve.mean_until(ceiling_s), curve.answered_by(ceiling_s))
    best, chosen = makespan_of_calls(last, last, 1) * (1 - GAIN), None
    for attempt in attempts:
        tau = attempt.seconds * _MARGIN
        if attempt.end is not End.ANSWERED or tau >= ceiling_s:
            continue
        first = (curve.mean_until(tau), _lower(curve.answered_by(tau), len(attempts)))
        if (makespan := makespan_of_calls(first, last, most, restart_s)) < best:
            best, chosen = makespan, tau
    return chosen


def makespan_of_calls(
    first: tuple[float, float], last: tuple[float, float], most: int, restart_s: float = 0.0
) -> float:
    """Seconds until an answer of a caller who calls until there is one. `first`: mean seconds of an attempt that may be
    cut, and the probability that it is answered; `last`: of the last one of a call.
    """
    seconds, unanswered = 0.0, 1.0
    for _ in range(most - 1):
        seconds += unanswered * first[0]
        unanswered *= 1 - first[1]
        seconds += unanswered * restart_s
    seconds += unanswered * last[0]
    answered = 1 - unanswered * (1 - last[1])
    return seconds / answered if answered > 0 else math.inf


def _lower(share: float, of: int) -> float:
    """Wilson's lower bound."""
    square = _Z * _Z / of
    centre = share + square / 2
    return (centre - _Z * math.sqrt(share * (1 - share) / of + square / (4 * of))) / (1 + square)


class _Curve:
    """How long attempts run, and how many were answered by when, with those that were cut weighed out."""

    def __init__(self, attempts: Sequence[Attempt]) -> None:
        running, left, answered, area, before = 1.0, len(attempts), 0.0, 0.0, 0.0
        self._starts = [0.0]
        self._steps = [(running, answered, area)]  # from that start on: still running, answered, area before
        for attempt in sorted(attempts, key=lambda one: (one.seconds, one.end is End.CUT)):
            area += running * (attempt.seconds - before)
            before = attempt.seconds
            if attempt.end is not End.CUT:
                ended = running / left
                answered += ended if attempt.end is End.ANSWERED else 0.0
                running -= ended
            left -= 1
            self._starts.append(attempt.seconds)
            self._steps.append((running, answered, area))

    def answered_by(self, seconds: float) -> float:
        return self._at(seconds)[1]

    def mean_until(self, seconds: float) -> float:
        """E[min(T, seconds)]."""
        start, _, running, area = self._at(seconds)
        return area + running * (seconds - start)

    def _at(self, seconds: float) -> tuple[float, float, float, float]:
        step = bisect.bisect_right(self._starts, seconds) - 1
        running, answered, area = self._steps[step]
        return self._starts[step], answered, running, area

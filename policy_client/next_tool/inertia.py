"""The fast path: when the way sessions went on makes the next tool sure enough, no model has to be asked for it.

Inspired by AutoTool's inertia (paper 23) and SIT-Graph's gate between following an edge and recalling more (paper 5).
How sure is sure enough is not a constant: it is read off predictions of sessions that the statistics had not seen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from policy_client.next_tool.conditional_logit import Choice, fit
from policy_client.next_tool.features import NAMES
from policy_client.next_tool.model import RIDGE, NextTool, choices, shipped_weights
from policy_client.next_tool.situation import Sessions, Situation, ToolTable
from policy_client.next_tool.statistics import Statistics

PRECISION = 0.7
"""Share of the fast path's answers that have to be right, by the lower bound of what was held out. Of .5 to .85 on the
train and dev splits of api-bank and tau2: it answers 35 and 39 % of all steps there, and is right in 75 % of these.
"""

ENOUGH = 60
"""Held-out steps before anything is answered."""

_Z = 1.282  # one-sided 90 %
_RETRIEVAL = NAMES.index("retrieval")


class Guess(NamedTuple):
    """The likeliest next tool, by number, and its probability."""

    tool: int
    confidence: float


@dataclass(frozen=True, slots=True)
class Held:
    """What was predicted of a step that the statistics had not seen, and whether retrieval's first would have done."""

    confidence: float
    right: bool
    retrieval_right: bool


@dataclass(frozen=True, slots=True)
class Inertia:
    """`threshold`: confidence from which it answers; infinite where it never does. `held_out`: what that comes from."""

    tools: ToolTable
    model: NextTool
    threshold: float
    held_out: tuple[Held, ...]

    @classmethod
    def fit(cls, sessions: Sessions, tools: ToolTable) -> Inertia:
        """Weights and threshold from the tenant's own sessions, each predicted by the others."""
        made = choices(sessions, tools)
        weights = fit(made, shipped_weights(), RIDGE)
        held = tuple(_held(choice, weights @ choice.rows.T) for choice in made)
        return cls(tools, NextTool(tools, Statistics(sessions, tools), weights), threshold_of(held), held)

    def guess(self, situation: Situation) -> Guess | None:
        """None where nothing was called yet, and where it is not sure enough."""
        if not situation.history:
            return None
        scores = self.model.scores(situation)
        tool = int(scores.argmax())
        confidence = float(1.0 / np.exp(scores - scores[tool]).sum())
        return Guess(tool, confidence) if confidence >= self.threshold else None


def threshold_of(held: Sequence[Held]) -> float:
    """The least confidence from which answers are right often enough: PRECISION of them at the lower bound, and not
    less often than retrieval's first tool at the same steps.
    """
    if len(held) < ENOUGH:
        return math.inf
    chosen, right, retrieval = math.inf, 0, 0
    ordered = sorted(held, key=lambda one: -one.confidence)
    for number, one in enumerate(ordered, start=1):
        right += one.right
        retrieval += one.retrieval_right
        is_last_of_equals = number == len(ordered) or ordered[number].confidence < one.confidence
        if is_last_of_equals and right >= retrieval and _lower(right / number, number) >= PRECISION:
            chosen = one.confidence
    if chosen == ordered[-1].confidence:  # nothing held out speaks against less: the probability is taken at its word
        return min(chosen, PRECISION)
    return chosen


def _held(choice: Choice, scores: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Held:
    tool = int(scores.argmax())
    retrieval = choice.rows[:, _RETRIEVAL]
    found = int(retrieval.argmax()) == choice.chosen and retrieval[choice.chosen] > 0
    return Held(float(1.0 / np.exp(scores - scores[tool]).sum()), tool == choice.chosen, bool(found))


def _lower(share: float, of: int) -> float:
    """Wilson's lower bound."""
    square = _Z * _Z / of
    spread = _Z * math.sqrt(share * (1 - share) / of + square / (4 * of))
    return (share + square / 2 - spread) / (1 + square)

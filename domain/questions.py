"""Questions that a tool answers: where they come from, and how they age."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from domain.canonical import sha256_hex

HALF_LIFE_S = 90 * 24 * 3600.0
"""A use counts half as much after a quarter of a year."""

LEAST_USES = 0.05
"""What a question is worth when it is forgotten: one use, 389 days ago."""

MAX_CHARS = 600
"""A question is cut here, at a word. The longest request of the evaluation sets that names one need has 590."""


class QuestionSource(StrEnum):
    """Who asked. Never the upstream: a server must not praise its own tools."""

    TEMPLATE = "template"  # made by rule from name and schema
    MODEL = "model"  # written by a language model of the operator's
    USAGE = "usage"  # asked by an agent, whose call of this tool then succeeded


@dataclass(frozen=True, slots=True)
class Question:
    """One question of one tool. `uses` is a count that halves with age, as it stood at `at` (epoch seconds)."""

    text: str
    source: QuestionSource
    uses: float = 1.0
    at: float = 0.0

    def worth(self, now: float) -> float:
        """What the uses are worth now. A question that nobody asked does not age."""
        return aged(self.uses, self.at, now) if self.source is QuestionSource.USAGE else self.uses


def aged(uses: float, at: float, now: float) -> float:
    """A count of uses, halved for every HALF_LIFE_S since; a clock that ran backwards changes nothing.

    >>> aged(4.0, 0.0, 2 * HALF_LIFE_S)
    1.0
    """
    return float(uses * 0.5 ** (max(now - at, 0.0) / HALF_LIFE_S))


def digest(texts: Iterable[str]) -> str:
    """One hash for a set of questions, whatever their order; empty for none. An index compares it with its own."""
    distinct = sorted({text.casefold() for text in texts})
    return sha256_hex("\n".join(distinct)) if distinct else ""

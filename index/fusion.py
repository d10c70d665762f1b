"""Score fusion: pure functions over `tool_id -> score`, higher is better. None changes what it was given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter

Scores = Mapping[str, float]

RRF_K = 60
"""Cormack, Clarke and Buettcher, "Reciprocal Rank Fusion outperforms Condorcet ...", SIGIR 2009: "k = 60"."""


def min_max(scores: Scores, *, floor: float | None = None) -> dict[str, float]:
    """Scores moved to [0, 1]: the best is 1, the worst, or `floor`, is 0. All equal: all 1.

    >>> min_max({"a": 3.0, "b": 1.0}), min_max({"a": 3.0, "b": 1.0}, floor=0.0)["b"] == 1 / 3
    ({'a': 1.0, 'b': 0.0}, True)
    """
    if not scores:
        return {}
    low = min(scores.values()) if floor is None else floor
    spread = max(scores.values()) - low
    if spread <= 0:
        return dict.fromkeys(scores, 1.0)
    return {tool_id: (score - low) / spread for tool_id, score in scores.items()}


def weighted_sum(parts: Iterable[tuple[float, Scores]]) -> dict[str, float]:
    """Sum of weight x score; a tool that a part does not hold counts 0 there.

    >>> weighted_sum([(0.5, {"a": 1.0}), (0.25, {"a": 0.0, "b": 1.0})])
    {'a': 0.5, 'b': 0.25}
    """
    total: dict[str, float] = {}
    for weight, scores in parts:
        for tool_id, score in scores.items():
            total[tool_id] = total.get(tool_id, 0.0) + weight * score
    return total


def best_of(parts: Iterable[Scores]) -> dict[str, float]:
    """Each tool's highest score over the parts: every clause may put its own tool on top."""
    best: dict[str, float] = {}
    for scores in parts:
        for tool_id, score in scores.items():
            best[tool_id] = max(score, best.get(tool_id, score))
    return best


def reciprocal_rank(parts: Iterable[Scores], k: int = RRF_K) -> dict[str, float]:
    """Sum over parts of 1 / (k + rank), ranks from 1, ties in a part ranked by tool_id.

    >>> reciprocal_rank([{"a": 9.0, "b": 8.0}, {"b": 1.0}], k=1)
    {'a': 0.5, 'b': 0.8333333333333333}
    """
    total: dict[str, float] = {}
    for scores in parts:
        for rank, tool_id in enumerate(ordered(scores), start=1):
            total[tool_id] = total.get(tool_id, 0.0) + 1 / (k + rank)
    return total


def ordered(scores: Scores) -> Sequence[str]:
    """Tool ids by falling score; ties by tool_id."""
    return [tool_id for tool_id, _ in sorted(sorted(scores.items()), key=itemgetter(1), reverse=True)]

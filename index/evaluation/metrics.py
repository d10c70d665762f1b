"""Ranking metrics, pure. A ranking is first reduced to `gains`: which ranks brought something wanted and still missing.

A gold tool counts once, at the first rank that holds it or one of its alternatives; a further tool of a gold server
that was found already brings nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

Gains = Sequence[bool]


def gains(
    ranking: Sequence[str], gold: Sequence[str], alternatives: Mapping[str, Sequence[str]] | None = None
) -> Gains:
    """One entry per rank. An item stands for the gold tool it is, else for the first missing one it may stand for.

    >>> gains(["x", "b2", "b"], ["a", "b"], {"b": ["b2"]})
    [False, True, False]
    """
    missing = dict.fromkeys(gold)
    found: list[bool] = []
    for item in ranking:
        stands_for = item if item in missing else _stands_for(item, missing, alternatives or {})
        if stands_for is not None:
            del missing[stands_for]
        found.append(stands_for is not None)
    return found


def recall(found: Gains, wanted: int, k: int) -> float:
    """Share of the wanted that is among the first k.

    >>> recall([True, False, True], wanted=4, k=3)
    0.5
    """
    return sum(found[:k]) / wanted


def complete(found: Gains, wanted: int, k: int) -> float:
    """1.0 when everything wanted is among the first k, else 0.0.

    >>> complete([True, False, True], wanted=2, k=2), complete([True, False, True], wanted=2, k=3)
    (0.0, 1.0)
    """
    return float(sum(found[:k]) == wanted)


def ndcg(found: Gains, wanted: int, k: int) -> float:
    """Binary NDCG: sum of 1 / log2(rank + 1) over gains, divided by that of a perfect ranking (Järvelin 2002).

    >>> round(ndcg([False, True], wanted=1, k=5), 3)
    0.631
    """
    gained = sum(1 / math.log2(rank + 1) for rank, hit in enumerate(found[:k], start=1) if hit)
    perfect = sum(1 / math.log2(rank + 1) for rank in range(1, min(wanted, k) + 1))
    return gained / perfect


def average_precision(found: Gains, wanted: int, k: int) -> float:
    """Mean over the wanted (at most k of them) of the precision at the rank of each; 0 for what is not found.

    >>> average_precision([True, False, True], wanted=2, k=10)
    0.8333333333333333
    """
    hits = [rank for rank, hit in enumerate(found[:k], start=1) if hit]
    return sum(number / rank for number, rank in enumerate(hits, start=1)) / min(wanted, k)


def all_metrics(found: Gains, wanted: int) -> dict[str, float]:
    """The metrics that are printed, by their printed names."""
    return {
        "recall@1": recall(found, wanted, 1),
        "recall@5": recall(found, wanted, 5),
        "recall@10": recall(found, wanted, 10),
        "ndcg@5": ndcg(found, wanted, 5),
        "ndcg@10": ndcg(found, wanted, 10),
        "complete@5": complete(found, wanted, 5),
        "complete@10": complete(found, wanted, 10),
        "map@10": average_precision(found, wanted, 10),
    }


def _stands_for(item: str, missing: Mapping[str, None], alternatives: Mapping[str, Sequence[str]]) -> str | None:
    return next((tool for tool in missing if item in alternatives.get(tool, ())), None)

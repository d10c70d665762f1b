"""Ratios that bear a busy machine: quiet and faulty rounds in turns, until it is known on which side of its target the
median of their ratios lies.

Whoever else runs here hits both rounds of a pair alike, and rounds of equal size are equally unlucky, so the median
ratio of two equal things is 1 however loud it is. Noise costs rounds, never a target.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from statistics import median

Round = Callable[[], Awaitable[list[float]]]
"""One round: seconds of each call."""

Pair = Callable[[int], Awaitable[tuple[list[float], list[float]]]]
"""The pair of that number: its quiet round and its faulty one."""

DOUBT = 0.01
"""How often, at most, the median of infinitely many pairs lies outside `Ratio.bounds`."""

MORE = 4
"""How many times the patience there is where a value in doubt lies beyond its target."""


@dataclass(slots=True)
class Ratio:
    """One statistic of the faulty round over that of the quiet one, pair by pair, and the target of its median."""

    statistic: Callable[[list[float]], float]
    target: float
    pairs: list[float] = field(default_factory=list)

    @property
    def value(self) -> float:
        return median(self.pairs)

    @property
    def decided(self) -> bool:
        low, high = self.bounds
        return high <= self.target or low > self.target

    @property
    def bounds(self) -> tuple[float, float]:
        """Between them lies the true median, whatever the distribution: order statistics of the sign test."""
        ordered = sorted(self.pairs)
        outside = _outside(len(ordered))
        return (ordered[outside - 1], ordered[-outside]) if outside else (-math.inf, math.inf)

    def add(self, quiet: list[float], faulty: list[float]) -> None:
        self.pairs.append(self.statistic(faulty) / self.statistic(quiet))


async def in_turns(
    quiet: Round, faulty: Round, ratios: Mapping[str, Ratio], *, fewest: int, patience_s: float
) -> dict[str, float]:
    """`in_pairs`, of one round after the other. Their order alternates, so that a drift favours neither."""

    async def pair(number: int) -> tuple[list[float], list[float]]:
        if number % 2:
            after, before = await faulty(), await quiet()
            return before, after
        return await quiet(), await faulty()

    return await in_pairs(pair, ratios, fewest=fewest, patience_s=patience_s)


async def in_pairs(
    pair: Pair,
    ratios: Mapping[str, Ratio],
    *,
    fewest: int,
    patience_s: float,
    clock: Callable[[], float] = time.monotonic,
) -> dict[str, float]:
    """The medians after at least `fewest` pairs of rounds, and after as many more as it takes to decide all of them, or
    as fit into the time. Where that leaves one beyond its target in doubt, there is more time: a doubt is no failure.
    """
    begun, more = clock(), 1
    for number in itertools.count(1):
        quiet, faulty = await pair(number)
        for ratio in ratios.values():
            ratio.add(quiet, faulty)
        doubtful = [ratio for ratio in ratios.values() if not ratio.decided]
        if number < fewest:
            continue
        if not doubtful:
            break
        if clock() - begun >= patience_s * more:
            if more == MORE or all(ratio.value <= ratio.target for ratio in doubtful):
                break
            more = MORE
    return {name: ratio.value for name, ratio in ratios.items()}


def _outside(pairs: int) -> int:
    """The rank k of which [k-th smallest, k-th largest] misses the median with a chance of at most DOUBT; 0 is none."""
    rank, below = 0, 0.0
    for k in range(pairs // 2):
        below += math.comb(pairs, k) / 2.0**pairs
        if 2 * below > DOUBT:
            break
        rank = k + 1
    return rank

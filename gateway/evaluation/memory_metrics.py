"""What is counted over one session, and the metrics of it: MemTool's (arXiv 2507.21428, section 4), and ours. Pure.

Counts are taken after the prune that opens the next turn, so that a turn's removals are what the agent gave back in it,
what made room in it, and what that prune took.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from domain.ledger import CACHED, WRITTEN


@dataclass(slots=True)
class TurnCounts:
    """One turn. `found_all` is None where nothing was asked, `had_all` where nothing was needed."""

    added: int = 0
    removed: int = 0
    peak: int = 0  # held while the turn was answered
    residual: int = 0  # held after the prune that opens the next
    had_all: bool | None = None
    found_all: bool | None = None
    is_batch: bool = False  # whether a batch of evictions ended it


@dataclass(slots=True)
class PromptCost:
    """The tool arrays of one session's requests, and what a provider's prompt cache makes of them."""

    tokens: list[int] = field(default_factory=list)
    billed: list[float] = field(default_factory=list)
    rewrites: int = 0
    _last: tuple[tuple[str, int], ...] = ()

    def bind(self, tools: Sequence[tuple[str, int]]) -> None:
        """One request with these tools and their tokens, in this order."""
        array = tuple(tools)
        kept = 0
        for old, new in zip(self._last, array, strict=False):
            if old != new:
                break
            kept += 1
        self.rewrites += kept < len(self._last)
        total = sum(tokens for _, tokens in array)
        read = sum(tokens for _, tokens in array[:kept])
        self.tokens.append(total)
        self.billed.append(CACHED * read + WRITTEN * (total - read))
        self._last = array


def removal_ratio(turns: Sequence[TurnCounts]) -> float:
    """Removed of added, over the whole session; 0 when nothing was added.

    >>> removal_ratio([TurnCounts(added=5), TurnCounts(added=5, removed=4)])
    0.4
    """
    added = sum(turn.added for turn in turns)
    return sum(turn.removed for turn in turns) / added if added else 0.0


def windowed_removal_ratio(turns: Sequence[TurnCounts], window: int = 3) -> float:
    """Mean of removed / added over every run of `window` turns; runs without additions are left out.

    >>> windowed_removal_ratio([TurnCounts(2, 0), TurnCounts(0, 1), TurnCounts(2, 1), TurnCounts(0, 2)])
    1.25
    """
    runs = [turns[end - window : end] for end in range(window, len(turns) + 1)]
    ratios = [removal_ratio(run) for run in runs if any(turn.added for turn in run)]
    return sum(ratios) / len(ratios) if ratios else 0.0


def residual_after_peaks(turns: Sequence[TurnCounts], after: int = 3) -> float:
    """Mean count after the prune, over the `after` turns that begin with each peak of what was held.

    >>> residual_after_peaks([TurnCounts(peak=p, residual=r) for p, r in ((5, 1), (9, 2), (3, 3), (3, 4), (3, 4))])
    3.0
    """
    heights = [-1, *(turn.peak for turn in turns), -1]
    peaks = [n for n, (before, now, later) in enumerate(_triples(heights)) if before < now >= later]
    counted = [turn.residual for peak in peaks for turn in turns[peak : peak + after]]
    return sum(counted) / len(counted) if counted else 0.0


def share(answers: Sequence[bool | None]) -> float | None:
    """Share of yes among those that apply; None when none does.

    >>> share([True, None, False, True, True]), share([None])
    (0.75, None)
    """
    known = [answer for answer in answers if answer is not None]
    return sum(known) / len(known) if known else None


def per_batch(turns: Sequence[TurnCounts]) -> tuple[float | None, float | None]:
    """Judged at the watermarks: removed / added between one batch of evictions and the next, and the count after each.

    None when there was no second batch, and none at all. The first fills the memory, so it has nothing to match.
    """
    ends = [number for number, turn in enumerate(turns, start=1) if turn.is_batch]
    cycles = [removal_ratio(turns[start:end]) for start, end in pairwise(ends)]
    left = [turns[end - 1].residual for end in ends]
    return (sum(cycles) / len(cycles) if cycles else None), (sum(left) / len(left) if left else None)


def _triples(values: Sequence[int]) -> list[tuple[int, int, int]]:
    return list(zip(values, values[1:], values[2:], strict=False))

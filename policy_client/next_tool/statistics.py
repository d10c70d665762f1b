"""Counts of how sessions went on: the transition graph, with the context of every transition kept on its edge.

Inspired by AutoTool's path graph (paper 23) and SIT-Graph's edge summaries (paper 5), whose text summaries are vectors
here. Probabilities are smoothed by interpolation with the next shorter history (Witten and Bell 1991).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from policy_client.next_tool.situation import Floats, Sessions, Situation, ToolTable

CONTEXT_WIDTH = 0.1
"""A past context that is so much less similar (cosine) than another counts 1/e of it."""

_ALIKE = 4.0
"""The same for the sets of tools called before, in units of 1 / Jaccard similarity."""

_START = -1
_UNSEEN = 0.5  # added to every tool's count


class Statistics:
    """Made of sessions; empty ones make every tool equally likely."""

    def __init__(self, sessions: Sessions, tools: ToolTable) -> None:
        examples = [example for session in sessions for example in session]
        n = len(tools)
        self._tools = n
        self._next = np.array([example.tool for example in examples], dtype=np.int64)
        self._last = np.array([_last(example.situation.history, 1) for example in examples], dtype=np.int64)
        self._before = np.array([_last(example.situation.history, 2) for example in examples], dtype=np.int64)
        width = tools.vectors.shape[1]
        self._queries = np.array([e.situation.query for e in examples], dtype=np.float32).reshape(-1, width)
        self._called = np.zeros((len(examples), n), dtype=np.float32)
        for row, example in enumerate(examples):
            self._called[row, list(example.situation.history)] = 1.0
        self._sizes = self._called.sum(axis=1)
        counts = np.bincount(self._next, minlength=n) + _UNSEEN
        self.popularity: Floats = counts / counts.sum()

    def __len__(self) -> int:
        return len(self._next)

    def first_order(self, situation: Situation) -> Floats:
        """P(tool | the last tool), shape (tools,)."""
        return self._smoothed(self._follows(situation, 1).astype(np.float64), self.popularity, 1.0)

    def second_order(self, situation: Situation) -> Floats:
        """P(tool | the last two tools)."""
        same = np.asarray(self._follows(situation, 1) & (self._before == _last(situation.history, 2)))
        return self._smoothed(same.astype(np.float64), self.first_order(situation), 1.0)

    def in_context(self, situation: Situation) -> tuple[Floats, Floats, Floats, Floats]:
        """P(tool | query), P(tool | last tool, query), the same with the set of tools called, and without the query."""
        first, follows = self.first_order(situation), self._follows(situation, 1)
        near: Floats = np.exp((self._queries @ situation.query - 1.0) / CONTEXT_WIDTH).astype(np.float64)
        alike: Floats = np.exp(_ALIKE * (self._alike(situation) - 1.0))
        return (
            self._smoothed(near, self.popularity, 0.05),
            self._smoothed(near * follows.astype(np.float64), first, 0.05),
            self._smoothed(near * follows * alike, first, 0.05),
            self._smoothed(follows.astype(np.float64) * alike, first, 0.2),
        )

    def _follows(self, situation: Situation, order: int) -> npt.NDArray[np.bool_]:
        return np.asarray(self._last == _last(situation.history, order))

    def _alike(self, situation: Situation) -> Floats:
        """Jaccard similarity of the tools called then and now; 1 where none was."""
        now = np.zeros(self._tools, dtype=np.float32)
        now[list(situation.history)] = 1.0
        both = self._called @ now
        either = self._sizes + now.sum() - both
        return np.where(either > 0, both / np.maximum(either, 1.0), 1.0).astype(np.float64)

    def _smoothed(self, weights: Floats, shorter: Floats, trust: float) -> Floats:
        """Witten-Bell with `trust` per distinct tool seen: the more different ones followed, the more may follow."""
        counts = np.bincount(self._next, weights=weights, minlength=self._tools)
        novel = trust * np.count_nonzero(counts)
        total = counts.sum() + novel
        return (counts + novel * shorter) / total if total > 0 else shorter


def _last(history: tuple[int, ...], back: int) -> int:
    return history[-back] if len(history) >= back else _START

"""What a predictor has to beat: the usual successor of the last tool, and the last tool again."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from policy_client.next_tool.situation import Sessions, Situation, ToolTable

Ranker = Callable[[Situation], Sequence[int]]
"""Tools, the likeliest first; those that are missing are not proposed."""


class Markov:
    """A first-order chain by counts; tools that never followed come behind, the most used first."""

    def __init__(self, sessions: Sessions, tools: ToolTable) -> None:
        n = len(tools)
        self._used = np.zeros(n)
        self._followed: dict[int, np.ndarray[tuple[int], np.dtype[np.float64]]] = {}
        for session in sessions:
            for example in session:
                self._used[example.tool] += 1
                if example.situation.history:
                    self._followed.setdefault(example.situation.history[-1], np.zeros(n))[example.tool] += 1

    def rank(self, situation: Situation) -> list[int]:
        last = situation.history[-1] if situation.history else -1
        followed = self._followed.get(last, np.zeros(len(self._used)))
        return [int(tool) for tool in np.lexsort((-self._used, -followed))]


def repeat_last(situation: Situation) -> list[int]:
    """The tools called so far, the latest first."""
    return list(dict.fromkeys(reversed(situation.history)))

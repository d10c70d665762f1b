"""Logged choices near a query, as evidence for and against each candidate. Pure.

Every past query that a tool was chosen for counts with exp((cosine - 1) / width), at three widths, once as it was and
once divided by its propensity: what was shown often was chosen often, whatever it was worth.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Vectors = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.int64]

SCHEMA = "adapter-1"
WIDTHS = (0.03, 0.06, 0.12)
NEIGHBOURS = 1024
PER_KIND = 3
FEATURES = 9 + 2 * PER_KIND * len(WIDTHS)

_WIDTHS_COLUMN = np.array(WIDTHS)[:, None]
_PRIOR_RATE, _PRIOR_COUNT = 0.3, 0.05
_LEAST = 1e-3


class CaseBank:
    """Past queries, shape (queries, dimension), and what choosing each tool for them brought.

    `outcomes`: shape (queries, tools, 4): rewards, what was missing to 1, and both divided by the propensity. `chosen`:
    how often each tool was chosen, shape (tools,).
    """

    def __init__(self, queries: Vectors, outcomes: Vectors) -> None:
        self.queries = queries
        self.outcomes = outcomes
        self.chosen: Floats = outcomes[:, :, :2].sum(axis=(0, 2)).astype(np.float64)
        self._flat = outcomes.reshape(len(queries), -1)

    def near(self, queries: Vectors, without: Numbers | None = None) -> Vectors:
        """Evidence of the NEIGHBOURS nearest cases, shape (len(queries), widths, tools, 4). `without`: the number of
        the past query that each one is itself.
        """
        alike = queries @ self.queries.T
        if without is not None:
            alike[np.arange(len(queries)), without] = -np.inf
        _, tools, kinds = self.outcomes.shape
        near = np.empty((len(queries), len(WIDTHS), tools * kinds), dtype=np.float32)
        for row, of_query in enumerate(alike):
            nearest = np.argpartition(-of_query, min(NEIGHBOURS, len(of_query)) - 1)[:NEIGHBOURS]
            weights = np.exp((of_query[nearest] - 1.0) / _WIDTHS_COLUMN)
            near[row] = weights.astype(np.float32) @ self._flat[nearest]
        return near.reshape(len(queries), len(WIDTHS), tools, kinds)


def features(scores: Floats, tools: Numbers, near: Vectors, chosen: Floats) -> Floats:
    """Of the candidates of one query, best first, shape (candidates, FEATURES). `near`: shape (widths, tools, 4)."""
    times = chosen[tools]
    seen = (times > 0).astype(np.float64)
    lead = scores - scores.max()
    rank = 1 / (1.0 + np.arange(len(scores)))
    columns = [np.ones_like(scores), scores, lead, rank, seen, seen * scores, seen * lead, seen * rank]
    columns.append(seen * np.log1p(times))
    for width in near.astype(np.float64):
        for won, lost in (width[:, :2].T, width[:, 2:].T):
            columns += [seen * column for column in _of_one_kind(won, lost, tools)]
    return np.column_stack(columns)


def _of_one_kind(won: Floats, lost: Floats, tools: Numbers) -> tuple[Floats, Floats, Floats]:
    """Log-odds of success, log share of all successes, and the share."""
    rate = (won[tools] + _PRIOR_COUNT * _PRIOR_RATE) / (won[tools] + lost[tools] + _PRIOR_COUNT)
    total = won.sum() + _LEAST
    return np.log(rate / (1 - rate)), np.log((won[tools] + _LEAST * total) / total), won[tools] / total

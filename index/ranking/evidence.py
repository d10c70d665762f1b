"""The numbers that the learnt mix looks at: per text and candidate (`marks`), and per text (`circumstances`).

Every mark is something a person can check in `explain`; the circumstances say how far each mark is to be trusted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from index.fields import CONCAT, NAME
from index.ports import Matrix
from index.ranking.recall import ADAPTED, SPARSE, Table

MARKS = ("concat", "name", "lexical", "bm25", "first", "adapted")
"""Cosines of whole document and name (times 3, so that all marks are of like size), BM25 as a share of the text's best
hit, BM25 itself (a tenth), 1 / rank by the fixed mix (being first for a need counts, whatever the scores), and the
cosine of the whole document with the adapted query (times 3)."""

PLAIN_MARKS = MARKS[:-1]
"""Without the adapter."""

CIRCUMSTANCES = ("always", "clauses", "similarity", "per_term", "agreement")
"""1, how many clauses the query has, the best cosine, BM25 of the best hit per term asked for (rare words found), and
what the lexical leg says of the best by meaning."""

_FIXED: Mapping[str, float] = {CONCAT: 0.45, NAME: 0.15, SPARSE: 0.4}
"""The fixed mix that ranks for the mark `first`: the best one without learning, on the dev splits."""

_MANY = 4
"""More clauses than this are as many."""

_TINY = 1e-6


def evidence(table: Table, wanted: Sequence[str] = MARKS) -> tuple[Matrix, Matrix]:
    """Marks, shape (texts, candidates, len(wanted)), and circumstances, shape (texts, len(CIRCUMSTANCES))."""
    legs = table.legs
    dense = {stage: _spread(legs[stage]) for stage in (CONCAT, NAME)}
    lexical = legs[SPARSE] / np.maximum(legs[SPARSE].max(axis=1, keepdims=True), _TINY)
    mixed = sum(_FIXED[stage] * scores for stage, scores in dense.items()) + _FIXED[SPARSE] * lexical
    marks: dict[str, npt.NDArray[np.floating]] = {
        "concat": 3 * legs[CONCAT],
        "name": 3 * legs[NAME],
        "lexical": lexical,
        "bm25": legs[SPARSE] / 10,
        "first": 1 / (1 + _ranks(mixed)),
    }
    if "adapted" in wanted:
        marks["adapted"] = 3 * legs[ADAPTED]
    texts = len(lexical)
    by_meaning = (_FIXED[CONCAT] * dense[CONCAT] + _FIXED[NAME] * dense[NAME]).argmax(axis=1)
    circumstances = np.stack(
        [
            np.ones(texts),
            np.full(texts, min(texts - 1, _MANY) / _MANY),
            legs[CONCAT].max(axis=1),
            legs[SPARSE].max(axis=1) / np.maximum(table.terms, 1),
            lexical[np.arange(texts), by_meaning],
        ],
        axis=-1,
    )
    return np.stack([marks[name] for name in wanted], axis=-1).astype(np.float32), circumstances.astype(np.float32)


def _spread(scores: Matrix) -> Matrix:
    """Per row: the best is 1, the worst 0."""
    low, high = scores.min(axis=1, keepdims=True), scores.max(axis=1, keepdims=True)
    spread: Matrix = (scores - low) / np.maximum(high - low, _TINY)
    return spread


def _ranks(scores: Matrix) -> Matrix:
    """Per row, from 0; ties by column."""
    ranks: Matrix = np.argsort(np.argsort(-scores, axis=1, kind="stable"), axis=1, kind="stable").astype(np.float32)
    return ranks

"""The numbers that the learnt mix looks at: per text and candidate (`marks`), and per text (`circumstances`).

Every mark is something a person can check in `explain`; the circumstances say how far each mark is to be trusted.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from index.fields import CONCAT, NAME
from index.ports import Matrix
from index.ranking.recall import SPARSE, Table

STAGES = (CONCAT, NAME, SPARSE)

MARKS = ("concat", "name", "lexical", "bm25", "first")
"""Cosines of whole document and name (times 3, so that all marks are of like size), BM25 as a share of the text's best
hit, BM25 itself (a tenth), and 1 / rank by the fixed mix: being first for a need counts, whatever the scores."""

CIRCUMSTANCES = ("always", "clauses", "similarity", "per_term", "agreement")
"""1, how many clauses the query has, the best cosine, BM25 of the best hit per term asked for (rare words found), and
what the lexical leg says of the best by meaning."""

_FIXED: Mapping[str, float] = {CONCAT: 0.45, NAME: 0.15, SPARSE: 0.4}
"""The fixed mix that ranks for the mark `first`: the best one without learning, on the dev splits."""

_MANY = 4
"""More clauses than this are as many."""

_TINY = 1e-6


def evidence(table: Table) -> tuple[Matrix, Matrix]:
    """Marks, shape (texts, candidates, len(MARKS)), and circumstances, shape (texts, len(CIRCUMSTANCES))."""
    legs = table.legs
    dense = {stage: _spread(legs[stage]) for stage in (CONCAT, NAME)}
    lexical = legs[SPARSE] / np.maximum(legs[SPARSE].max(axis=1, keepdims=True), _TINY)
    mixed = sum(_FIXED[stage] * scores for stage, scores in dense.items()) + _FIXED[SPARSE] * lexical
    marks = np.stack([3 * legs[CONCAT], 3 * legs[NAME], lexical, legs[SPARSE] / 10, 1 / (1 + _ranks(mixed))], axis=-1)
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
    return marks.astype(np.float32), circumstances.astype(np.float32)


def _spread(scores: Matrix) -> Matrix:
    """Per row: the best is 1, the worst 0."""
    low, high = scores.min(axis=1, keepdims=True), scores.max(axis=1, keepdims=True)
    spread: Matrix = (scores - low) / np.maximum(high - low, _TINY)
    return spread


def _ranks(scores: Matrix) -> Matrix:
    """Per row, from 0; ties by column."""
    ranks: Matrix = np.argsort(np.argsort(-scores, axis=1, kind="stable"), axis=1, kind="stable").astype(np.float32)
    return ranks

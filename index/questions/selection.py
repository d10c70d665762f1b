"""Which questions of a tool are kept: the most used, no two alike, no more than a share of the room. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from domain.questions import LEAST_USES, Question
from index.ports import Matrix

MAX_PER_TOOL = 512
"""Most questions of one tool. On toole's dev split a cap of 100 costs .04 Recall@1, of 500 nothing."""

ALIKE = 0.95
"""Cosine from which two questions are one."""


def by_worth(questions: Sequence[Question], now: float) -> list[Question]:
    """The most used first, ties by text; what is forgotten is left out, and texts that differ in case are one."""
    alive = [question for question in questions if question.worth(now) >= LEAST_USES]
    alive.sort(key=lambda question: (-question.worth(now), question.text))
    return list({question.text.casefold(): question for question in reversed(alive)}.values())[::-1]


def distinct(vectors: Matrix, limit: int = MAX_PER_TOOL) -> list[int]:
    """Rows to keep, in order: each unlike every one kept before it. `vectors`: shape (n, dimension), unit rows."""
    kept: list[int] = []
    held = np.empty((min(limit, len(vectors)), vectors.shape[1]), np.float32)
    for row, vector in enumerate(vectors):
        if len(kept) >= limit:
            break
        if not kept or float((held[: len(kept)] @ vector).max()) < ALIKE:
            held[len(kept)] = vector
            kept.append(row)
    return kept


def centre(vectors: Matrix) -> Matrix:
    """The mean of unit rows, of unit length, shape (1, dimension): where a tool stands by what was asked of it."""
    mean = vectors.mean(axis=0, keepdims=True)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-12), dtype=np.float32)

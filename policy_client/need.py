"""Does a request need a tool at all? Logistic regression on the request's embedding, its words, how near the tools are
that there are, and how near the requests are that needed one before. Numpy only.

The decision to answer directly is SMART's (paper 34); the benchmark is ToolE's awareness task (paper 31).
Refuses to know: embedders; vectors are handed in.
"""

from __future__ import annotations

import itertools
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from domain.errors import InvalidInput

Floats = npt.NDArray[np.float64]
Vectors = npt.NDArray[np.float32]

SCHEMA = "need-1"
RIDGE = 1.0
"""Of .1, .3, 1 and 3 by cross-validation on toole's train and dev rows; so were the four kinds of features."""

MOST_REQUESTS = 3000
"""Earlier requests that a request is compared with. 14,658 gave AUROC .980 instead of .977 over those folds."""

_WORDS = re.compile(r"[a-z']+|[0-9]+|[?!.,]")
_HASHED = 512  # columns for words and pairs of words
_NEAR, _MANY = 5, 25
_ROUNDS = 30
_ENOUGH = 1e-6


def features(texts: Sequence[str], vectors: Vectors, tools: Vectors, requests: Vectors | None = None) -> Floats:
    """Shape (texts, dimension + 520): vector, hashed words, nearness of the tools and of `requests` that needed one.

    All vectors are unit rows. No request may be one of the texts.
    """
    words = np.stack([_hashed(text) for text in texts]) if texts else np.zeros((0, _HASHED))
    asked = np.zeros((0, vectors.shape[1]), dtype=np.float32) if requests is None else requests
    return np.hstack([vectors, words, _nearness(vectors, tools), _nearness(vectors, asked)]).astype(np.float64)


@dataclass(frozen=True, slots=True)
class NeedModel:
    """`weights`: one per feature; `offset` stands at the mean of what it was fitted on."""

    mean: Floats
    weights: Floats
    offset: float

    @classmethod
    def fit(cls, rows: Floats, needed: npt.NDArray[np.bool_], *, ridge: float = RIDGE) -> Self:
        """Raises InvalidInput when all rows have the same label, or there is none."""
        if len(np.unique(needed)) < 2:  # noqa: PLR2004 - needed and not needed
            raise InvalidInput(
                "Whether a tool is needed is learnt from requests of both kinds; there is only one here."
            )
        mean = rows.mean(axis=0)
        # There are fewer requests than features: what is orthogonal to all of them has no weight, and is not fitted.
        left, spread, right = np.linalg.svd(rows - mean, full_matrices=False)
        inner = _newton(np.column_stack([left * spread, np.ones(len(rows))]), needed.astype(np.float64), ridge)
        return cls(mean, right.T @ inner[:-1], float(inner[-1]))

    def __call__(self, rows: Floats) -> Floats:
        """Probability that a tool is needed, shape (rows,)."""
        return _logistic((rows - self.mean) @ self.weights + self.offset)


def _nearness(vectors: Vectors, others: Vectors) -> Floats:
    """The best of the others, the best few, many, all: shape (vectors, 4); zeros where there is none."""
    if not len(others):
        return np.zeros((len(vectors), 4))
    near = np.sort(vectors @ others.T, axis=1)[:, ::-1]
    return np.column_stack([near[:, 0], *(near[:, :count].mean(axis=1) for count in (_NEAR, _MANY, len(others)))])


def _newton(rows: Floats, labels: Floats, ridge: float) -> Floats:
    """Maximises the log-likelihood less ridge / 2 * |weights|^2; the last column, which is 1, bears no penalty."""
    penalty = np.full(rows.shape[1], ridge)
    penalty[-1] = 1e-9
    weights = np.zeros(rows.shape[1])
    for _ in range(_ROUNDS):
        likely = _logistic(rows @ weights)
        gradient = rows.T @ (labels - likely) - penalty * weights
        curvature = (rows * (likely * (1 - likely))[:, None]).T @ rows + np.diag(penalty)
        step = np.linalg.solve(curvature, gradient)
        weights += step
        if np.abs(step).max() < _ENOUGH:
            break
    return weights


def _logistic(scores: Floats) -> Floats:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * scores)))


def _hashed(text: str) -> Floats:
    """Counts of words and neighbouring pairs, each in the column of its CRC-32; unit length."""
    words = ["^", *_WORDS.findall(text.lower()), "$"]
    counts = np.zeros(_HASHED)
    for gram in (*words, *(" ".join(pair) for pair in itertools.pairwise(words))):
        counts[zlib.crc32(gram.encode("utf-8", "surrogatepass")) % _HASHED] += 1
    return np.asarray(counts / np.linalg.norm(counts))

"""Rows of unit length, and the check that a matrix is what the port promises."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from domain.errors import EmbedderUnavailable
from index.ports import Matrix


def unit_rows(matrix: Matrix) -> Matrix:
    """Each row divided by its L2 norm; shape (n, d) stays. A zero row stays zero, so that a check can see it."""
    norms = np.linalg.norm(matrix, axis=1, keepdims=True)
    return np.asarray(matrix / np.where(norms > 0, norms, 1), dtype=np.float32)


def require_shape(matrix: Matrix, rows: int, dimension: int, version: str) -> Matrix:
    """The same matrix. Raises EmbedderUnavailable when a model gave another number of rows or another dimension."""
    if matrix.shape != (rows, dimension):
        raise EmbedderUnavailable(
            f"The embedder {version} gave vectors of shape {matrix.shape} for {rows} texts instead of "
            f"({rows}, {dimension}); check that the model is the one it claims to be."
        )
    return matrix


SAME = 0.999
"""Dot product of unit vectors that are the same, in the precision of any engine."""

UNIT = 1e-3
"""How far a unit vector's length may be from 1."""


def usable_rows(matrix: Matrix) -> npt.NDArray[np.bool_]:
    """Shape (n,): which rows are vectors of unit length. None is, where several texts have all got the same one."""
    with np.errstate(all="ignore"):
        usable = np.abs(np.linalg.norm(matrix, axis=1) - 1) < UNIT  # false for NaN and infinity
    if len(matrix) > 1 and bool(usable.all()) and bool(np.all(matrix[1:] @ matrix[0] > SAME)):
        return np.zeros(len(matrix), dtype=np.bool_)
    return np.asarray(usable)

"""Rows of unit length, and the check that a matrix is what the port promises."""

from __future__ import annotations

import numpy as np

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

"""The adapter: moves the vector of a query to where the tools that answer it stand. One matrix, learnt offline.

What people ask and what tools say of themselves lie apart in the embedding space, and much of that gap is the same for
every query; a linear map closes it (Yoon et al. 2023, "Search-Adaptor"). Documents are not touched, so nothing is
embedded again. `benchmarks/learn_mix.py` makes it, `benchmarks/adapter_fitting.py` says how.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from index.ports import Matrix


@dataclass(frozen=True, slots=True, eq=False)
class QueryAdapter:
    """`weights`, shape (dimension + 1, dimension): what is added to a vector, as a linear map of it and of a 1."""

    weights: npt.NDArray[np.float32]

    def adapted(self, vectors: Matrix) -> Matrix:
        """Shape (n, dimension) as given, rows of unit length: normalise(q + [q, 1] weights)."""
        moved = vectors + vectors @ self.weights[:-1] + self.weights[-1]
        return np.asarray(moved / np.maximum(np.linalg.norm(moved, axis=1, keepdims=True), 1e-12), dtype=np.float32)

"""An embedding model behind a URL, as an embedder: checked numbers, unit length, batches of similar length.

Refuses to know: HTTP (a `VectorSource` asks), keys, deadlines. Its fake is `index.embedders.fake`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np

from domain.errors import EmbedderUnavailable, ModelUnavailable
from index.embedders.lengths import by_length
from index.embedders.texts import encodable
from index.embedders.vectors import require_shape, unit_rows
from index.model_ports import VectorSource
from index.ports import Matrix

PREPROCESSING_VERSION = "1"

BATCH = 32
"""Texts per request, of similar length: a server pads the shorter ones, and one job leaves gaps for queries."""

MAX_CHARS = 8192
"""Longer texts are cut: about 2,000 tokens, as much as the models of this kind were trained on."""

_PROBE = "find a tool"


class RemoteEmbedder:
    """Made by `open`, which asks the model for its dimension."""

    def __init__(self, source: VectorSource, name: str, dimension: int) -> None:
        self._source = source
        self._name = name
        self._dimension = dimension

    @classmethod
    async def open(
        cls, source: VectorSource, name: str, *, dimension: int | None = None, probe: VectorSource | None = None
    ) -> Self:
        """`name` tells this model from all others. `dimension`: as it was before, for a model that is away now.
        `probe`: the same model, asked with less patience; closed afterwards.

        Raises EmbedderUnavailable for one that is away and was never there.
        """
        try:
            [vector] = await (probe or source).vectors([_PROBE])
        except ModelUnavailable as error:
            if dimension is not None:
                return cls(source, name, dimension)
            await source.aclose()
            raise EmbedderUnavailable(error.message, retry_after_s=error.retry_after_s) from error
        finally:
            if probe is not None:
                await probe.aclose()
        return cls(source, name, len(vector))

    @property
    def version(self) -> str:
        return f"{self._name}:{self._dimension}:p{PREPROCESSING_VERSION}"

    @property
    def dimension(self) -> int:
        return self._dimension

    async def embed(self, texts: Sequence[str]) -> Matrix:
        """Shape (len(texts), dimension)."""
        sent = [text[:MAX_CHARS] for text in encodable(texts)]
        out = np.zeros((len(sent), self._dimension), dtype=np.float32)
        for rows in by_length([len(text) for text in sent], BATCH):
            out[rows] = await self._batch([sent[row] for row in rows])
        return out

    async def close(self) -> None:
        await self._source.aclose()

    async def _batch(self, texts: list[str]) -> Matrix:
        try:
            vectors = await self._source.vectors(texts)
        except ModelUnavailable as error:
            raise EmbedderUnavailable(error.message, retry_after_s=error.retry_after_s) from error
        matrix = require_shape(np.asarray(vectors, dtype=np.float32), len(texts), self._dimension, self.version)
        if not np.isfinite(matrix).all() or not matrix.any(axis=1).all():
            raise EmbedderUnavailable(
                f"The embedder {self.version} gave a vector that is zero or not a number; check the model."
            )
        return unit_rows(matrix)

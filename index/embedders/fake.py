"""The fake embedder: a bag of hashed words. Deterministic, instant, lexically sensible; for tests."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

import numpy as np

from index.embedders.vectors import unit_rows
from index.ports import Matrix

_WORD = re.compile(r"\w+")


class HashingEmbedder:
    """Each word adds +1 or -1 to one component chosen by its hash; texts that share words are near each other."""

    def __init__(self, dimension: int = 64) -> None:
        self._dimension = dimension

    @property
    def version(self) -> str:
        return f"hashing-{self._dimension}:1"

    @property
    def dimension(self) -> int:
        return self._dimension

    async def embed(self, texts: Sequence[str]) -> Matrix:
        out = np.zeros((len(texts), self._dimension), dtype=np.float32)
        for row, text in enumerate(texts):
            out[row, 0] = 0.5  # like a model's special tokens: no text is without a vector, not even the empty one
            for word in _WORD.findall(text.lower()):
                digest = hashlib.blake2b(word.encode("utf-8", "replace"), digest_size=8).digest()
                out[row, int.from_bytes(digest[:7]) % self._dimension] += 1 if digest[7] & 1 else -1
            if not out[row].any():
                out[row, 0] = 1.0  # words can cancel each other
        return unit_rows(out)

    async def close(self) -> None:
        """Nothing to give back."""

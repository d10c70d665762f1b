"""Stands for a model that cannot be had any more: what was indexed with it is still found by words and names."""

from __future__ import annotations

from collections.abc import Sequence

from domain.errors import EmbedderUnavailable
from index.ports import Matrix


class AbsentEmbedder:
    """Says what it was, and embeds nothing."""

    def __init__(self, version: str, dimension: int) -> None:
        self._version = version
        self._dimension = dimension

    @property
    def version(self) -> str:
        return self._version

    @property
    def dimension(self) -> int:
        return self._dimension

    async def embed(self, texts: Sequence[str]) -> Matrix:
        """Raises EmbedderUnavailable."""
        raise EmbedderUnavailable(f"The embedding model {self._version} is not here any more ({len(texts)} texts).")

    async def close(self) -> None:
        """Nothing to give back."""

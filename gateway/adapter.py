"""The retrieval adapter that the settings name, as a stage around the index that serves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from domain.canonical import sha256_hex
from index.adapter.adapter import Adapter
from index.adapter.stage import AdaptedSearch
from index.live import LiveIndex
from index.ports import Matrix
from index.searcher import Searcher


class ServedQueries:
    """Query vectors of whatever index serves: the ones that its own search has just made."""

    def __init__(self, index: LiveIndex) -> None:
        self._index = index

    @property
    def version(self) -> str:
        return self._index.serving.embedder_version

    async def embed(self, texts: Sequence[str]) -> Matrix:
        return await self._index.serving.queries.embed(texts)


def adapted(index: LiveIndex, folder: Path | None) -> tuple[Searcher, str]:
    """The index with the adapter, and what that adds to its version; as it is where no folder is named.

    Raises InvalidInput for an adapter that cannot be read, or was made for another embedder.
    """
    if folder is None:
        return index, ""
    queries = ServedQueries(index)
    adapter = Adapter.load(folder, embedder=queries.version)
    return AdaptedSearch(index, queries, adapter), f"|adapter:{sha256_hex(adapter.weights.tobytes().hex())[:8]}"

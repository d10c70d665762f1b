"""Vectors and searches of a data set's texts, each made once: what the learnt predictors are measured on."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from index.embedders.caching import CachingEmbedder
from index.evaluation.dataset import LabelledTool
from index.evaluation.file_cache import FileVectorCache
from index.ports import Embedder, IndexDocument, SearchRequest
from index.tool_index import ToolIndex, open_index

Vectors = npt.NDArray[np.float32]
Progress = Callable[[str, int, int], None]

_TENANT = "evaluation"
_BATCH = 128
_ASK = 16
DEPTH = 50
"""Tools that a search scores; the others have 0."""


class TextVectors:
    """Unit vectors by text, kept in the folder `cache`. Does not close the embedder."""

    def __init__(self, embedder: Embedder, cache: Path) -> None:
        self._embedder = CachingEmbedder(embedder, FileVectorCache(cache))
        self.dimension = embedder.dimension

    async def __call__(self, texts: Sequence[str], progress: Progress) -> Vectors:
        """Shape (len(texts), dimension)."""
        parts = [np.zeros((0, self.dimension), dtype=np.float32)]
        for start in range(0, len(texts), _BATCH):
            vectors, _ = await self._embedder.embed(texts[start : start + _BATCH])
            parts.append(vectors)
            progress("Embedding", min(start + _BATCH, len(texts)), len(texts))
        return np.concatenate(parts)


async def searched(
    tools: Sequence[LabelledTool],
    queries: Sequence[str],
    embedder: Embedder,
    cache: Path,
    progress: Progress,
    *,
    profile: str = "hybrid",
) -> dict[str, Vectors]:
    """Query -> what the product's own search gives each tool, shape (tools,). Closes `embedder`."""
    numbers = {tool.tool_id: number for number, tool in enumerate(tools)}
    found: dict[str, Vectors] = {}
    with tempfile.TemporaryDirectory(prefix="toolcrib-eval-") as folder:
        index = await open_index(embedder, cache=FileVectorCache(cache), path=Path(folder))
        try:
            await _fill(index, tools)
            for start in range(0, len(queries), _ASK):
                asked = tuple(queries[start : start + _ASK])
                for ranking in await index.search(SearchRequest(_TENANT, asked, DEPTH, profile)):
                    scores = found[ranking.query] = np.zeros(len(tools), dtype=np.float32)
                    for candidate in ranking.candidates:
                        scores[numbers[candidate.tool_id]] = candidate.score
                progress("Searching", min(start + _ASK, len(queries)), len(queries))
        finally:
            await index.close()
    return found


async def _fill(index: ToolIndex, tools: Sequence[LabelledTool]) -> None:
    documents = [
        IndexDocument(_TENANT, tool.tool_id, tool.server, tool.document.text, tool.document.semantic_hash, 1)
        for tool in tools
    ]
    for start in range(0, len(documents), _BATCH):
        await index.upsert(documents[start : start + _BATCH])
    await index.advance(1)

"""Vectors for catalogues that would take an hour to embed: a variant's vector is composed of those of its pieces.

The model pools by the mean over tokens, so a text made of pieces lies near the mean of their vectors, weighted by their
lengths; what is lost is that tokens of different pieces do not see each other. `fidelity` says how much that is. Texts
that no plan covers are embedded by the model itself.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from benchmarks.generated_catalogue import GeneratedTool
from index.documents import field_texts
from index.embedders.caching import CachingEmbedder
from index.embedders.vectors import unit_rows
from index.ports import Embedder, IndexDocument, Matrix, VectorCache

PIECES = 2048
"""Pieces embedded between two lines of progress."""


class ComposedEmbedder:
    """Fits the port `Embedder`, under the model's own version: what it fills, the product's embedder can search."""

    def __init__(self, model: Embedder, cache: VectorCache) -> None:
        self._model = model
        self._cached = CachingEmbedder(model, cache)
        self._plans: dict[str, tuple[str, ...]] = {}
        self.spent_s = 0.0  # in `embed`, by the wall clock

    @property
    def version(self) -> str:
        return self._model.version

    @property
    def dimension(self) -> int:
        return self._model.dimension

    def plan(self, tools: Iterable[GeneratedTool]) -> None:
        """From now on the texts of these tools are composed."""
        for tool in tools:
            if tool.pieces:
                for text in field_texts(document_of(tool)):
                    parts = tuple(piece for piece in tool.pieces if piece in text)
                    if parts and parts != (text,):
                        self._plans[text] = parts

    async def prepare(self) -> int:
        """Embed every distinct piece that is not cached yet; returns how many there are. Prints its progress."""
        pieces = sorted(
            {piece for parts in self._plans.values() for piece in parts}, key=lambda text: (len(text), text)
        )
        for start in range(0, len(pieces), PIECES):
            _, spent = await self._cached.embed(pieces[start : start + PIECES])
            if spent.embedded:
                print(f"pieces embedded: {start + PIECES:,} of {len(pieces):,}", flush=True)
        return len(pieces)

    async def embed(self, texts: Sequence[str]) -> Matrix:
        began = time.perf_counter()
        composed = await self._composed(texts)
        self.spent_s += time.perf_counter() - began
        return composed

    async def _composed(self, texts: Sequence[str]) -> Matrix:
        parts = [self._plans.get(text, (text,)) for text in texts]
        known = list(dict.fromkeys(part for of_text in parts for part in of_text))
        vectors, _ = await self._cached.embed(known)
        row = {part: number for number, part in enumerate(known)}
        out = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for number, of_text in enumerate(parts):
            weights = np.array([max(len(part.split()), 1) for part in of_text], dtype=np.float32)
            out[number] = weights @ vectors[[row[part] for part in of_text]]
        return unit_rows(out)

    async def fidelity(self, tools: Sequence[GeneratedTool], count: int = 300) -> dict[str, float]:
        """Cosine between composed and real vectors of `count` composed texts: mean and 5th percentile."""
        planned = sorted({text for tool in tools for text in field_texts(document_of(tool)) if text in self._plans})
        sample = random.Random(7).sample(planned, min(count, len(planned)))
        if not sample:
            return {}
        cosines = np.sum(await self.embed(sample) * await self._model.embed(sample), axis=1)
        return {"mean": round(float(cosines.mean()), 4), "p5": round(float(np.percentile(cosines, 5)), 4)}

    async def close(self) -> None:
        await self._model.close()


class Forgetful:
    """A VectorCache that keeps nothing: for an index whose embedder needs no help."""

    async def get_many(self, _keys: Sequence[str]) -> dict[str, npt.NDArray[np.float32]]:
        return {}

    async def put_many(self, _vectors: Mapping[str, npt.NDArray[np.float32]]) -> None:
        """Nothing to keep."""


def document_of(tool: GeneratedTool, tenant: str = "bench") -> IndexDocument:
    """The tool as the index takes it."""
    document = tool.document
    tool_id = f"{tool.server}__{document.name}"
    return IndexDocument(tenant, tool_id, tool.server, document.text, document.semantic_hash, 1)

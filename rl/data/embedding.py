"""Vectors of a log's queries, by the embedder of the core install."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from index.embedders.minilm import MiniLMEmbedder
from index.ports import Matrix

_BATCH = 256


def embedded(texts: Sequence[str]) -> tuple[str, dict[str, Matrix]]:
    """The embedder's version, and a unit vector by text; about ten milliseconds for each new one."""
    return asyncio.run(_embedded(list(dict.fromkeys(texts))))


async def _embedded(texts: list[str]) -> tuple[str, dict[str, Matrix]]:
    embedder = MiniLMEmbedder()
    try:
        vectors: dict[str, Matrix] = {}
        for start in range(0, len(texts), _BATCH):
            batch = texts[start : start + _BATCH]
            vectors |= dict(zip(batch, await embedder.embed(batch), strict=True))
        return embedder.version, vectors
    finally:
        await embedder.close()

"""The ports of the index. Fakes ship beside them: `index/embedders/fake.py`, `index/engines/memory.py`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from domain.text import ToolText

Matrix = npt.NDArray[np.float32]
"""Shape (n, dimension), rows of unit length unless said otherwise."""


@dataclass(frozen=True, slots=True)
class IndexDocument:
    """What the index keeps of one tool."""

    tenant: str
    tool_id: str
    server: str
    text: ToolText
    semantic_hash: str
    generation: int


@dataclass(frozen=True, slots=True)
class SparseVector:
    """Term id -> weight, as two parallel sequences."""

    indices: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Point:
    """One stored point: named dense vectors, a sparse vector, and the payload that filters use."""

    id: str  # UUIDv5 of tenant and tool id
    document: IndexDocument
    dense: Mapping[str, npt.NDArray[np.float32]]
    sparse: SparseVector


@dataclass(frozen=True, slots=True)
class Filter:
    """Applied inside the engine, never after it. `tenant` is always set; `servers` empty means all."""

    tenant: str
    servers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Leg:
    """One recall leg: a dense query on a named vector, or a sparse one."""

    name: str
    limit: int
    dense: npt.NDArray[np.float32] | None = None
    sparse: SparseVector | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """A point found by one leg."""

    tool_id: str
    server: str
    score: float


@dataclass(frozen=True, slots=True)
class EngineManifest:
    """What a stored index was built with; anything else than an equal manifest means: rebuild."""

    embedder: str
    fields: tuple[tuple[str, int], ...]  # vector name, dimension
    text_version: str
    sparse_version: str


class Embedder(Protocol):
    """Texts to unit vectors. Raises EmbedderUnavailable."""

    @property
    def version(self) -> str:
        """Changes whenever the same text may give another vector: part of every cache key."""
        ...

    @property
    def dimension(self) -> int: ...

    async def embed(self, texts: Sequence[str]) -> Matrix:
        """Shape (len(texts), dimension), float32, rows of unit length, in the order given."""
        ...


class VectorCache(Protocol):
    """Vectors by content: shared by tenants, generations and replicas. The store implements it."""

    async def get_many(self, keys: Sequence[str]) -> dict[str, npt.NDArray[np.float32]]:
        """The known ones; unknown keys are absent."""
        ...

    async def put_many(self, vectors: Mapping[str, npt.NDArray[np.float32]]) -> None: ...


class Engine(Protocol):
    """A vector engine holding one collection. Raises IndexUnavailable, StorageFull."""

    async def upsert(self, points: Sequence[Point]) -> None: ...

    async def delete(self, point_ids: Sequence[str]) -> None: ...

    async def search(self, legs: Sequence[Leg], where: Filter) -> list[list[Hit]]:
        """One list per leg, best first, ties by tool_id where the engine allows."""
        ...

    async def inventory(self) -> dict[str, str]:
        """Point id -> semantic hash of everything stored."""
        ...

    async def cursor(self) -> int:
        """The last change-log number applied; 0 for an empty or fresh collection."""
        ...

    async def advance(self, cursor: int) -> None:
        """Make everything written so far durable, then remember `cursor`."""
        ...

    async def clear(self) -> None:
        """Drop every point and the cursor."""
        ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class UpsertReport:
    """How many texts an upsert embedded, and how many vectors came from the cache."""

    documents: int = 0
    embedded: int = 0
    cached: int = 0


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """Queries of one call. All are embedded in one batch."""

    tenant: str
    queries: tuple[str, ...]
    k: int = 5
    profile: str = "hybrid"
    servers: tuple[str, ...] = field(default=())

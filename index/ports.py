"""The ports of the index. Fakes ship beside them: `index/embedders/fake.py`, `index/engines/memory.py`.

Refuses to know: any vector database, any model, any SQL. The store implements `VectorCache`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from domain.questions import Question
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
    names: tuple[str, ...] = ()  # further names it is found under: the server's, where an operator gave an alias
    questions: tuple[Question, ...] = ()  # what it was asked for; kept beside its point (index/questions)


@dataclass(frozen=True, slots=True)
class SparseVector:
    """Term id -> weight, as two parallel sequences."""

    indices: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Point:
    """One stored point: named dense vectors, a sparse vector, and what filters and name look-ups use."""

    id: str  # UUIDv5 of tenant and tool id
    document: IndexDocument
    dense: Mapping[str, npt.NDArray[np.float32]]
    sparse: SparseVector  # without terms: the point is outside every sparse leg and every IDF corpus
    names: tuple[str, ...] = ()  # keys under which the tool is found by name (index.exact)


@dataclass(frozen=True, slots=True)
class Filter:
    """Applied inside the engine, never after it. `tenant` is always set; `servers` empty means all."""

    tenant: str
    servers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DenseLeg:
    """Recall by the dot product with one named vector; `vector` has shape (dimension,) and unit length."""

    field: str
    vector: npt.NDArray[np.float32]
    limit: int


@dataclass(frozen=True, slots=True)
class SparseLeg:
    """Recall by the IDF-weighted dot product. IDF = ln((n - df + .5) / (df + .5) + 1), counted over the points of the
    filter's tenant, whatever other tenants store. Points that share no term are not hits.
    """

    vector: SparseVector
    limit: int


@dataclass(frozen=True, slots=True)
class NameLeg:
    """Recall of every point that has one of `keys` among its names, or, with `prefix`, a name beginning with one.

    Hits score 1.
    """

    keys: tuple[str, ...]
    limit: int
    prefix: bool = False


Leg = DenseLeg | SparseLeg | NameLeg


@dataclass(frozen=True, slots=True)
class Terms:
    """Lexical queries, some maybe without terms, and whose points their IDF is counted over."""

    tenant: str
    queries: tuple[SparseVector, ...]


class Hit(NamedTuple):
    """A point found by one leg. A search makes some hundred of them, and a dataclass takes twice as long."""

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

    async def close(self) -> None: ...


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
        """One list per leg, best first, ties by tool_id (which of the tied make the limit is the engine's choice)."""
        ...

    async def rescore(
        self, point_ids: Sequence[str], vectors: Mapping[str, Matrix], terms: Terms | None = None
    ) -> dict[str, Matrix]:
        """Exact scores of points already found: field -> shape (its vectors, points), in the orders given.

        `vectors`: field -> the query's rows, shape (texts, dimension); `terms` are scored as a sparse leg does, under
        `sparse`. Where a point is gone, has no such field, or shares no term, 0.
        """
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
    """How many texts an upsert embedded, and how many vectors came from the cache. Equal texts count once."""

    documents: int = 0
    embedded: int = 0
    cached: int = 0
    by_server: Mapping[tuple[str, str], int] = field(default_factory=dict, compare=False)
    """Of the embedded texts, how many came first from each (tenant, server)."""


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """Queries of one call. All are embedded in one batch. `k`: 1 to 100 candidates per query."""

    tenant: str
    queries: tuple[str, ...]
    k: int = 5
    profile: str = "hybrid"
    servers: tuple[str, ...] = field(default=())
    depth: int = 0  # candidates to show to a later stage: those beyond k stand under `nearest`
    judge: bool = False  # say whether anything fits (index/calibration.py)
    adaptive: bool = False  # give fewer than k where fewer stand out
    by_clause: bool = False  # say what each clause alone makes of the tools
    # Of whoever asks, for stages around the index, which itself does not look at it:
    session_id: str | None = None
    calls_left: float = 1.0  # the share of its session's budget of calls

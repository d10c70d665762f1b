"""Our values to qdrant-edge's, and back. The remote engine has its counterpart in `remote_requests`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import qdrant_edge as edge

from index.engines.payload import SPARSE, stored
from index.ports import DenseLeg, EngineManifest, Filter, Leg, NameLeg, Point, SparseLeg, Terms

DATATYPE = edge.VectorStorageDatatype.Turbo8
"""One byte a component after a random rotation. On 20,000 tools a scan takes .52 ms instead of 2.1 with float32, in a
quarter of the memory, and finds .996 of the true first ten; scores are off by .0003 (deviation), at most by .0013:
`python -m benchmarks.search_scale`."""

LAYOUT = "turbo8, numbered"
"""Part of what a folder was built with: stored points of another layout cannot be read."""

ID = "id"
"""Where the payload keeps a point's whole id, of which the engine has the number."""

KEPT = [ID, "tenant", "tool_id", "server"]
"""What of the payload is kept in memory (index/engines/edge_stored.py)."""

FLAT_KB = 19_200
"""A segment is scanned until one vector field outgrows this: 50,000 points of 384 bytes. Beyond it `optimize` builds
HNSW graphs over the same bytes, once; what is written later is scanned until it has grown as large."""

OURS = "\0"
"""In a tenant's name: what follows is of our making, and its points have no terms (index/routing, index/questions)."""

HNSW = edge.HnswIndexConfig(m=32, ef_construct=200, full_scan_threshold=10_000)

EF = 384
"""Candidates kept while a graph is searched. Chosen with `python -m benchmarks.search_scale`; docs/scale.md has
recall and cost beside those of a scan."""

_APPROXIMATE = edge.SearchParams(hnsw_ef=EF)
_EXACT = edge.SearchParams(exact=True)


def config(manifest: EngineManifest) -> edge.EdgeConfig:
    return edge.EdgeConfig(
        # Rows are of unit length, so the dot product is the cosine and nothing is normalised twice.
        vectors={
            # Cold: pages come into memory when they are read. The default reads the holes of each 32 MiB file as well.
            name: edge.EdgeVectorParams(
                size=size, distance=edge.Distance.Dot, datatype=DATATYPE, memory=edge.Memory.Cold
            )
            for name, size in manifest.fields
        },
        sparse_vectors={SPARSE: edge.EdgeSparseVectorParams(modifier=edge.Modifier.Idf)},
        hnsw_config=HNSW,
        optimizers=edge.EdgeOptimizersConfig(indexing_threshold=FLAT_KB),
    )


def payload_indexes() -> list[edge.UpdateOperation]:
    """Keyword indexes for everything filters look at."""
    return [
        edge.UpdateOperation.create_field_index("tenant", edge.KeywordIndexParams(is_tenant=True)),
        edge.UpdateOperation.create_field_index("server", edge.KeywordIndexParams()),
        edge.UpdateOperation.create_field_index("names", edge.KeywordIndexParams(prefix=True)),
    ]


def number(point_id: str) -> int:
    """The last 64 bits of a point's UUID, 62 of them by chance. The engine gives every UUID back as a Python object,
    which takes longer than scoring the point does; among a million points two share a number once in ten million times.
    """
    return int(point_id[19:23] + point_id[24:], 16)


def point(ours: Point) -> edge.Point:
    vectors: dict[str, list[float] | edge.SparseVector | list[list[float]]] = {
        name: vector.tolist() for name, vector in ours.dense.items()
    }
    if ours.sparse.indices:
        vectors[SPARSE] = edge.SparseVector(list(ours.sparse.indices), list(ours.sparse.values))
    return edge.Point(number(ours.id), vectors, stored(ours) | {ID: ours.id})


def trial(manifest: EngineManifest, limit: int) -> list[edge.QueryRequest]:
    """One query per dense field that finds everything stored, whoever it belongs to; NaN is found by no query, and a
    graph is left aside, since it finds only most.
    """
    return [
        edge.QueryRequest(limit, query=edge.Query.Nearest([1.0] * size, using=name), params=_EXACT)
        for name, size in manifest.fields
    ]


def query(leg: Leg, where: Filter, limit: int, *, is_alone: bool = False) -> edge.QueryRequest:
    """`limit`: hits wanted, whatever the leg's own. `is_alone`: no other tenant's points are stored, so that statistics
    over everything are this tenant's.
    """
    visible = _conditions(where)
    match leg:
        case DenseLeg():
            nearest = edge.Query.Nearest(leg.vector.tolist(), using=leg.field)
            return edge.QueryRequest(limit, query=nearest, filter=_all(visible), params=_APPROXIMATE)
        case SparseLeg():
            terms = edge.SparseVector(list(leg.vector.indices), list(leg.vector.values))
            return edge.QueryRequest(
                limit,
                query=edge.Query.Nearest(terms, using=SPARSE),
                filter=_all(visible),
                params=None if is_alone else _own_statistics(where),
            )
        case NameLeg():
            return edge.QueryRequest(limit, filter=_named(leg, visible))


def these(numbers: Sequence[int]) -> edge.Filter:
    """These points alone. Made once for all requests of a rescoring: reading some hundred takes as long as one."""
    return edge.Filter(must=[edge.HasIdCondition(set(numbers))])


def rescoring(points: edge.Filter, count: int, vector: npt.NDArray[np.float32], field: str) -> edge.QueryRequest:
    """The exact scores of these points alone; nothing of their payload."""
    nearest = edge.Query.Nearest(vector.tolist(), using=field)
    return edge.QueryRequest(count, query=nearest, filter=points, params=_EXACT)


def rescoring_terms(points: edge.Filter, count: int, terms: Terms, *, is_alone: bool) -> list[edge.QueryRequest]:
    """As `rescoring`, by words. A query without any asks for nothing, and has its answer all the same."""
    return [
        edge.QueryRequest(
            count if query.indices else 1,
            query=edge.Query.Nearest(edge.SparseVector(list(query.indices), list(query.values)), using=SPARSE),
            filter=points,
            params=None if is_alone else _own_statistics(Filter(terms.tenant)),
        )
        for query in terms.queries
    ]


def kind(leg: Leg) -> str:
    """Legs of one kind differ only in their vector, and dense ones in their limit."""
    return f"{DenseLeg.__name__} {leg.field}" if isinstance(leg, DenseLeg) else f"{type(leg).__name__} {leg.limit}"


def _own_statistics(where: Filter) -> edge.SearchParams:
    """IDF over the tenant's own points: what others store must not move this tenant's ranking. Counting them takes
    twice as long as the search.
    """
    return edge.SearchParams(idf=edge.IdfParams(corpus=_all(_conditions(Filter(where.tenant)))))


def _conditions(where: Filter) -> list[edge.FieldCondition]:
    conditions = [edge.FieldCondition("tenant", match=edge.MatchValue(where.tenant))]
    if where.servers:
        conditions.append(edge.FieldCondition("server", match=edge.MatchAny(list(where.servers))))
    return conditions


def _all(conditions: list[edge.FieldCondition]) -> edge.Filter:
    return edge.Filter(must=list(conditions))


def _named(leg: NameLeg, visible: list[edge.FieldCondition]) -> edge.Filter:
    if leg.prefix:
        starts = [edge.FieldCondition("names", match=edge.MatchPrefix(key)) for key in leg.keys]
        return edge.Filter(must=list(visible), should=list(starts))
    return edge.Filter(must=[*visible, edge.FieldCondition("names", match=edge.MatchAny(list(leg.keys)))])

"""Our values to qdrant-edge's, and back. The remote engine has its counterpart in `remote_requests`."""

from __future__ import annotations

from collections.abc import Iterable

import qdrant_edge as edge

from index.engines.payload import PAYLOAD, SPARSE, best_first, hit, stored
from index.ports import DenseLeg, EngineManifest, Filter, Hit, Leg, NameLeg, Point, SparseLeg

FLAT_KB = 80_000
"""A segment is scanned exactly until one vector field outgrows this: 52,000 points of 384 float32 (architecture.md
section 4: flat and exact up to about 50,000). Beyond it `optimize` builds HNSW graphs."""


def config(manifest: EngineManifest) -> edge.EdgeConfig:
    return edge.EdgeConfig(
        # Rows are of unit length, so the dot product is the cosine and nothing is normalised twice.
        vectors={name: edge.EdgeVectorParams(size=size, distance=edge.Distance.Dot) for name, size in manifest.fields},
        sparse_vectors={SPARSE: edge.EdgeSparseVectorParams(modifier=edge.Modifier.Idf)},
        optimizers=edge.EdgeOptimizersConfig(indexing_threshold=FLAT_KB),
    )


def payload_indexes() -> list[edge.UpdateOperation]:
    """Keyword indexes for everything filters look at."""
    return [
        edge.UpdateOperation.create_field_index("tenant", edge.KeywordIndexParams(is_tenant=True)),
        edge.UpdateOperation.create_field_index("server", edge.KeywordIndexParams()),
        edge.UpdateOperation.create_field_index("names", edge.KeywordIndexParams(prefix=True)),
    ]


def point(ours: Point) -> edge.Point:
    vectors: dict[str, list[float] | edge.SparseVector | list[list[float]]] = {
        name: vector.tolist() for name, vector in ours.dense.items()
    }
    if ours.sparse.indices:
        vectors[SPARSE] = edge.SparseVector(list(ours.sparse.indices), list(ours.sparse.values))
    return edge.Point(ours.id, vectors, stored(ours))


def trial(manifest: EngineManifest, limit: int) -> list[edge.QueryRequest]:
    """One query per dense field that finds everything stored, whoever it belongs to; NaN is found by no query."""
    return [
        edge.QueryRequest(limit, query=edge.Query.Nearest([1.0] * size, using=name)) for name, size in manifest.fields
    ]


def query(leg: Leg, where: Filter) -> edge.QueryRequest:
    visible = _conditions(where)
    match leg:
        case DenseLeg():
            nearest = edge.Query.Nearest(leg.vector.tolist(), using=leg.field)
            return edge.QueryRequest(leg.limit, query=nearest, filter=_all(visible), with_payload=PAYLOAD)
        case SparseLeg():
            terms = edge.SparseVector(list(leg.vector.indices), list(leg.vector.values))
            return edge.QueryRequest(
                leg.limit,
                query=edge.Query.Nearest(terms, using=SPARSE),
                filter=_all(visible),
                with_payload=PAYLOAD,
                # Counted over the tenant's own points: what others store must not move this tenant's ranking.
                params=edge.SearchParams(idf=edge.IdfParams(corpus=_all(_conditions(Filter(where.tenant))))),
            )
        case NameLeg():
            return edge.QueryRequest(leg.limit, filter=_named(leg, visible), with_payload=PAYLOAD)


def hits(scored: Iterable[edge.ScoredPoint]) -> list[Hit]:
    return best_first(hit(one.payload, one.score) for one in scored)


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

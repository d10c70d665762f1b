"""Our values to qdrant-client's, and back: the counterpart of `edge_requests` for a Qdrant server or cluster."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from qdrant_client import models

from index.engines.payload import PAYLOAD, SPARSE, best_first, hit, stored
from index.ports import DenseLeg, EngineManifest, Filter, Hit, Leg, NameLeg, Point, SparseLeg, Terms

INDEXES: dict[str, models.KeywordIndexParams] = {
    "tenant": models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True),
    "server": models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD),
    "names": models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, prefix=True),
}
"""Payload indexes for everything filters look at."""


LAYOUT = "float16+int8"
"""Part of a collection's name: `dense_config` applies to collections that are made, not to those that are there."""

HNSW = models.HnswConfigDiff(m=32, ef_construct=200)
"""Searched with ef = ef_construct, the server's default. m 16 loses .013 of the true first ten of 100,000 tools."""


def dense_config(manifest: EngineManifest) -> dict[str, models.VectorParams]:
    """Float16 on disk, a byte a component in memory, scores from the former: 384 bytes of memory a vector."""
    quantized = models.ScalarQuantization(
        scalar=models.ScalarQuantizationConfig(type=models.ScalarType.INT8, always_ram=True)
    )
    return {
        name: models.VectorParams(
            size=size,
            distance=models.Distance.DOT,
            datatype=models.Datatype.FLOAT16,
            on_disk=True,
            hnsw_config=HNSW,
            quantization_config=quantized,
        )
        for name, size in manifest.fields
    }


def sparse_config() -> dict[str, models.SparseVectorParams]:
    return {SPARSE: models.SparseVectorParams(modifier=models.Modifier.IDF)}


def point(ours: Point) -> models.PointStruct:
    vectors = dict[str, Any]({name: vector.tolist() for name, vector in ours.dense.items()})
    if ours.sparse.indices:
        vectors[SPARSE] = models.SparseVector(indices=list(ours.sparse.indices), values=list(ours.sparse.values))
    return models.PointStruct(id=ours.id, vector=vectors, payload=stored(ours))


def query(leg: Leg, where: Filter) -> models.QueryRequest:
    visible = _conditions(where)
    match leg:
        case DenseLeg():
            return models.QueryRequest(
                query=leg.vector.tolist(),
                using=leg.field,
                filter=_all(visible),
                limit=leg.limit,
                with_payload=PAYLOAD,
            )
        case SparseLeg():
            corpus = models.IdfCorpusParams(corpus=_all(_conditions(Filter(where.tenant))))
            return models.QueryRequest(
                query=models.SparseVector(indices=list(leg.vector.indices), values=list(leg.vector.values)),
                using=SPARSE,
                filter=_all(visible),
                limit=leg.limit,
                with_payload=PAYLOAD,
                params=models.SearchParams(idf=corpus),
            )
        case NameLeg():
            return models.QueryRequest(filter=_named(leg, visible), limit=leg.limit, with_payload=PAYLOAD)


def rescoring(point_ids: Sequence[str], vector: npt.NDArray[np.float32], field: str) -> models.QueryRequest:
    """The scores of these points alone: so few that the server compares with each of them; nothing of their payload."""
    return models.QueryRequest(
        query=vector.tolist(),
        using=field,
        filter=models.Filter(must=[models.HasIdCondition(has_id=list(point_ids))]),
        limit=len(point_ids),
    )


def rescoring_terms(point_ids: Sequence[str], terms: Terms) -> list[models.QueryRequest]:
    """As `rescoring`, by words. A query without any asks for nothing, and has its answer all the same."""
    corpus = models.IdfCorpusParams(corpus=_all(_conditions(Filter(terms.tenant))))
    return [
        models.QueryRequest(
            query=models.SparseVector(indices=list(query.indices), values=list(query.values)),
            using=SPARSE,
            filter=models.Filter(must=[models.HasIdCondition(has_id=list(point_ids))]),
            limit=len(point_ids),
            params=models.SearchParams(idf=corpus),
        )
        for query in terms.queries
    ]


def hits(leg: Leg, scored: Iterable[models.ScoredPoint]) -> list[Hit]:
    """A query that only filters has no score of its own there: a name found scores 1."""
    return best_first(hit(one.payload, 1.0 if isinstance(leg, NameLeg) else one.score) for one in scored)


def _conditions(where: Filter) -> list[models.Condition]:
    conditions: list[models.Condition] = [
        models.FieldCondition(key="tenant", match=models.MatchValue(value=where.tenant))
    ]
    if where.servers:
        conditions.append(models.FieldCondition(key="server", match=models.MatchAny(any=list(where.servers))))
    return conditions


def _all(conditions: list[models.Condition]) -> models.Filter:
    return models.Filter(must=conditions)


def _named(leg: NameLeg, visible: list[models.Condition]) -> models.Filter:
    if leg.prefix:
        return models.Filter(
            must=visible,
            should=[models.FieldCondition(key="names", match=models.MatchPrefix(prefix=key)) for key in leg.keys],
        )
    return models.Filter(
        must=[*visible, models.FieldCondition(key="names", match=models.MatchAny(any=list(leg.keys)))],
    )

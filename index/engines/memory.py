"""The fake engine: everything in this process' memory, exact, with the arithmetic of the real ones written out."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from index.engines.payload import SPARSE, best_first
from index.ports import DenseLeg, Filter, Hit, Leg, Matrix, NameLeg, Point, SparseLeg, Terms


class MemoryEngine:
    """Holds points by id. Small and slow on purpose: what it answers is what the port means."""

    def __init__(self) -> None:
        self._points: dict[str, Point] = {}
        self._cursor = 0

    async def upsert(self, points: Sequence[Point]) -> None:
        self._points.update({point.id: point for point in points})

    async def delete(self, point_ids: Sequence[str]) -> None:
        for point_id in point_ids:
            self._points.pop(point_id, None)

    async def search(self, legs: Sequence[Leg], where: Filter) -> list[list[Hit]]:
        tenant = [point for point in self._points.values() if point.document.tenant == where.tenant]
        visible = [point for point in tenant if not where.servers or point.document.server in where.servers]
        return [_ranked(visible, _scorer(leg, tenant), leg.limit) for leg in legs]

    async def rescore(
        self, point_ids: Sequence[str], vectors: Mapping[str, Matrix], terms: Terms | None = None
    ) -> dict[str, Matrix]:
        scores = {name: np.zeros((len(rows), len(point_ids)), np.float32) for name, rows in vectors.items()}
        for column, point_id in enumerate(point_ids):
            if (point := self._points.get(point_id)) is not None:
                for name in vectors.keys() & point.dense.keys():
                    scores[name][:, column] = vectors[name] @ point.dense[name]
        if terms is not None:
            scores[SPARSE] = self._by_words(point_ids, terms)
        return scores

    def _by_words(self, point_ids: Sequence[str], terms: Terms) -> Matrix:
        corpus = [point for point in self._points.values() if point.document.tenant == terms.tenant]
        found = np.zeros((len(terms.queries), len(point_ids)), np.float32)
        for row, query in enumerate(terms.queries):
            score = _sparse_scorer(SparseLeg(query, len(point_ids)), corpus)
            known = (self._points.get(point_id) for point_id in point_ids)
            found[row] = [(score(point) or 0.0) if point is not None else 0.0 for point in known]
        return found

    async def inventory(self) -> dict[str, str]:
        return {point.id: point.document.semantic_hash for point in self._points.values()}

    async def cursor(self) -> int:
        return self._cursor

    async def advance(self, cursor: int) -> None:
        self._cursor = cursor

    async def clear(self) -> None:
        self._points.clear()
        self._cursor = 0

    async def close(self) -> None:
        """Nothing to give back."""


Scorer = Callable[[Point], float | None]
"""A point's score, or None where it is no hit."""


def _scorer(leg: Leg, corpus: Sequence[Point]) -> Scorer:
    match leg:
        case DenseLeg():
            return lambda point: float(np.dot(point.dense[leg.field], leg.vector))
        case SparseLeg():
            return _sparse_scorer(leg, corpus)
        case NameLeg():
            return lambda point: 1.0 if _is_named(point, leg) else None


def _sparse_scorer(leg: SparseLeg, corpus: Sequence[Point]) -> Scorer:
    terms = [dict(zip(point.sparse.indices, point.sparse.values, strict=True)) for point in corpus]
    n = sum(1 for weights in terms if weights)
    query: dict[int, float] = {}
    for index, value in zip(leg.vector.indices, leg.vector.values, strict=True):
        df = sum(1 for weights in terms if index in weights)
        query[index] = value * math.log((n - df + 0.5) / (df + 0.5) + 1)

    def score(point: Point) -> float | None:
        weights = zip(point.sparse.indices, point.sparse.values, strict=True)
        shared = [query[index] * value for index, value in weights if index in query]
        return sum(shared) if shared else None

    return score


def _is_named(point: Point, leg: NameLeg) -> bool:
    if leg.prefix:
        return any(name.startswith(key) for name in point.names for key in leg.keys)
    return not set(leg.keys).isdisjoint(point.names)


def _ranked(points: Sequence[Point], score: Scorer, limit: int) -> list[Hit]:
    hits = [
        Hit(point.document.tool_id, point.document.server, value)
        for point in points
        if (value := score(point)) is not None
    ]
    return best_first(hits)[:limit]

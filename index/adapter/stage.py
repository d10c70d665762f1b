"""The adapter as a stage around a searcher: it asks deeper, and changes the order. Its failure leaves retrieval's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from domain.candidates import Ranking
from domain.errors import EmbedderUnavailable
from index.adapter.adapter import Adapter
from index.adapter.evidence import Vectors
from index.ports import Matrix, SearchRequest
from index.searcher import Searcher

STAGE = "adapter"
DEPTH = 30


class QueryVectors(Protocol):
    """Vectors of queries, of the embedder that serves now."""

    @property
    def version(self) -> str: ...

    async def embed(self, texts: Sequence[str]) -> Matrix:
        """Raises EmbedderUnavailable."""
        ...


class AdaptedSearch:
    """Candidates keep their scores; `stages` says where the adapter put each. While another embedder serves than the
    adapter was made for, retrieval's order answers and the answer says so.
    """

    def __init__(self, searcher: Searcher, queries: QueryVectors, adapter: Adapter) -> None:
        self._searcher = searcher
        self._queries = queries
        self._adapter = adapter

    async def search(self, request: SearchRequest) -> list[Ranking]:
        deep = replace(request, depth=max(request.depth, DEPTH))
        rankings = await self._searcher.search(deep)
        try:
            if self._queries.version != self._adapter.embedder:
                return _without(rankings)
            vectors = await self._queries.embed(request.queries)
        except EmbedderUnavailable:
            return _without(rankings)
        return [self._reordered(ranking, vector) for ranking, vector in zip(rankings, vectors, strict=True)]

    def _reordered(self, ranking: Ranking, vector: Vectors) -> Ranking:
        pool = (*ranking.candidates, *ranking.nearest)
        if not pool:
            return ranking
        order = self._adapter.order(vector, [one.tool_id for one in pool], [one.score for one in pool])
        made = tuple(
            replace(pool[at], stages={**pool[at].stages, STAGE: 1 / (1 + place)}) for place, at in enumerate(order)
        )
        return replace(ranking, candidates=made[: len(ranking.candidates)], nearest=made[len(ranking.candidates) :])


def _without(rankings: Sequence[Ranking]) -> list[Ranking]:
    return [replace(ranking, degraded=(*ranking.degraded, STAGE)) for ranking in rankings]

"""The adapter as a stage around a searcher: it asks deeper, and changes the order. Its failure leaves retrieval's."""

from __future__ import annotations

from dataclasses import replace

from domain.candidates import Ranking
from domain.errors import EmbedderUnavailable
from index.adapter.adapter import Adapter
from index.adapter.evidence import Vectors
from index.ports import Embedder, SearchRequest
from index.searcher import Searcher

STAGE = "adapter"
DEPTH = 30


class AdaptedSearch:
    """Candidates keep their scores; `stages` says where the adapter put each."""

    def __init__(self, searcher: Searcher, embedder: Embedder, adapter: Adapter) -> None:
        self._searcher = searcher
        self._embedder = embedder
        self._adapter = adapter

    async def search(self, request: SearchRequest) -> list[Ranking]:
        deep = replace(request, depth=max(request.depth, DEPTH))
        rankings = await self._searcher.search(deep)
        try:
            vectors = await self._embedder.embed(request.queries)
        except EmbedderUnavailable:
            return [replace(ranking, degraded=(*ranking.degraded, STAGE)) for ranking in rankings]
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

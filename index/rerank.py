"""The reranking stage: a model reads the query with each of the best candidates, and its opinion joins the score.

Off unless a reranker is configured: a model that does not know tools makes rankings worse (ToolRet: NDCG 33.8 to
28.9). What the query names stays on top, and what plain retrieval had to include stays included.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from domain.candidates import Candidate, Ranking
from domain.errors import ModelUnavailable, Unavailable
from index.fusion import min_max
from index.model_ports import Reranker, ToolTexts
from index.ports import SearchRequest
from index.ranking.order import EXACT, NEAREST, PHRASE, PREFIX
from index.searcher import Searcher

STAGE = "rerank"
DEGRADED = "reranker"

UNTOUCHED = frozenset({"bm25", "dense", "rrf", "toolshed"})
"""The profiles that others are compared with stay what their names say, and the toolshed reranks each step itself."""

MAX_CHARS = 2048
"""Of a tool's text that the model reads: cross-encoders take about 512 tokens, the query included."""


@dataclass(frozen=True, slots=True)
class RerankLimits:
    """`share`: of the model's opinion in the score; the rest is what retrieval found."""

    depth: int = 30
    deadline_s: float = 2.0
    share: float = 0.5


class RerankStage:
    """Gives candidates a new order. Raises ModelUnavailable, also when the deadline passes, and StoreUnavailable."""

    def __init__(self, reranker: Reranker, texts: ToolTexts, limits: RerankLimits | None = None) -> None:
        self._reranker = reranker
        self._texts = texts
        self.limits = limits or RerankLimits()

    async def order(self, tenant: str, query: str, candidates: Sequence[Candidate]) -> list[Candidate]:
        """The first `depth` candidates by their new score, named ones first; the others follow as they came."""
        read, rest = candidates[: self.limits.depth], candidates[self.limits.depth :]
        try:
            async with asyncio.timeout(self.limits.deadline_s):
                scores = await self._scores(tenant, query, [candidate.tool_id for candidate in read])
        except TimeoutError:
            raise ModelUnavailable(f"The reranker did not answer within {self.limits.deadline_s:g} s.") from None
        return [*_by_score([_scored(one, scores, self.limits.share) for one in read]), *rest]

    async def _scores(self, tenant: str, query: str, tool_ids: Sequence[str]) -> Mapping[str, float]:
        """The model's scores moved to [0, 1]. A tool that left the catalogue meanwhile has none."""
        texts = await self._texts(tenant, tool_ids)
        known = [tool_id for tool_id in tool_ids if tool_id in texts]
        scores = await self._reranker.scores(query, [texts[tool_id][:MAX_CHARS] for tool_id in known])
        if len(scores) != len(known):
            raise ModelUnavailable(f"The reranker gave {len(scores)} scores for {len(known)} tools.")
        return min_max(dict(zip(known, scores, strict=True)))


class RerankedSearch:
    """A searcher around another one."""

    def __init__(self, inner: Searcher, stage: RerankStage) -> None:
        self._inner = inner
        self._stage = stage

    async def search(self, request: SearchRequest) -> list[Ranking]:
        """As the inner one searches; some profiles are not touched."""
        if request.profile in UNTOUCHED:
            return await self._inner.search(request)
        deeper = replace(request, depth=max(request.depth, self._stage.limits.depth))
        rankings = await self._inner.search(deeper)
        return list(await asyncio.gather(*(self._reranked(request, ranking) for ranking in rankings)))

    async def _reranked(self, request: SearchRequest, ranking: Ranking) -> Ranking:
        began = time.perf_counter()
        found = [*ranking.candidates, *ranking.nearest]
        count = len(ranking.candidates)  # not k: retrieval may have chosen fewer
        beyond = max(NEAREST, request.depth - count)
        try:
            order = await self._stage.order(request.tenant, ranking.query, found)
        except Unavailable:
            return replace(ranking, degraded=(*ranking.degraded, DEGRADED), nearest=ranking.nearest[:beyond])
        included = {candidate.tool_id for candidate in ranking.candidates if is_named(candidate)}
        order = with_included(order, included, count)
        took_ms = (time.perf_counter() - began) * 1e3
        return replace(
            ranking,
            candidates=tuple(order[:count]),
            nearest=tuple(order[count : count + beyond]),
            timings_ms=with_stage(ranking.timings_ms, STAGE, took_ms),
        )


def with_stage(timings: Mapping[str, float], stage: str, took_ms: float) -> dict[str, float]:
    """The timings, with a stage that came after all others."""
    return {**timings, stage: took_ms, "total": timings.get("total", 0.0) + took_ms}


def is_named(candidate: Candidate) -> bool:
    """Whether the query holds the tool's name, or a beginning of it."""
    return any(stage in candidate.stages for stage in (EXACT, PHRASE, PREFIX))


def with_included(order: Sequence[Candidate], included: set[str], count: int) -> list[Candidate]:
    """The order, with included tools that fell behind `count` moved to the last places before it."""
    behind = [candidate for candidate in order[count:] if candidate.tool_id in included]
    first = list(order[:count])
    for candidate in reversed(first):
        if len(first) + len(behind) <= count:
            break
        if candidate.tool_id not in included:
            first.remove(candidate)
    kept = {candidate.tool_id for candidate in (*first, *behind)}
    return [*first, *behind, *(candidate for candidate in order if candidate.tool_id not in kept)]


def _scored(candidate: Candidate, scores: Mapping[str, float], share: float) -> Candidate:
    opinion = scores.get(candidate.tool_id)
    if opinion is None:
        return replace(candidate, score=(1 - share) * candidate.score)
    stages = {**candidate.stages, STAGE: opinion}
    return replace(candidate, score=(1 - share) * candidate.score + share * opinion, stages=stages)


def _by_score(candidates: Sequence[Candidate]) -> list[Candidate]:
    return sorted(candidates, key=lambda one: (EXACT not in one.stages, -one.score, one.tool_id))

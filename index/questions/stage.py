"""The usage stage: asks a searcher for a longer list, and orders it anew by what was asked before, of the whole query
and of each of its clauses.

A bank that fails leaves the searcher's order, named `usage` under `degraded`. Exact names stay above everything.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from domain.candidates import Candidate, Ranking
from domain.errors import EmbedderUnavailable, IndexUnavailable
from index.clauses import clauses
from index.embedders.caching import QueryEmbedder
from index.fusion import best_of, ordered
from index.ports import Filter, SearchRequest
from index.profiles import profile_named
from index.questions.bank import QuestionBank
from index.questions.evidence import COVERAGE, FEW, Evidence, Weights, blend, evidence
from index.ranking.order import BEHIND
from index.searcher import Searcher

DEPTH = 50
"""Candidates that are ordered anew."""

RECALL, OF_CLAUSE = 100, 30
"""Hits asked of the bank for the whole query, and for one of its clauses."""

NAMED = ("exact", "phrase", "prefix")
"""Stages of tools that the query names: they keep a place."""

NEAREST = 3

ASKED_CLAUSE = "asked_clause"
"""The stage of the nearest question to any of the query's clauses. The other kinds of evidence are shown as they are
for the whole query, which is what the judge of abstention has learnt from."""


class UsageStage:
    """Implements `index.searcher.Searcher`."""

    def __init__(
        self, inner: Searcher, bank: QuestionBank, embedder: QueryEmbedder, weights: Weights | None = None
    ) -> None:
        self._inner = inner
        self._bank = bank
        self._embedder = embedder
        self._weights = weights or Weights()

    async def search(self, request: SearchRequest) -> list[Ranking]:
        """As the inner searcher, where the profile leaves questions out or nobody has asked any."""
        if not profile_named(request.profile).questions or not await self._bank.is_filled():
            return await self._inner.search(request)
        rankings = await self._inner.search(self._deeper(request))
        started = time.perf_counter()
        try:
            asked = await self._ask(request)
        except (EmbedderUnavailable, IndexUnavailable):
            return [_short(replace(one, degraded=(*one.degraded, "usage")), request) for one in rankings]
        ordered_anew = [
            self._rank(ranking, found, request) if found else _short(ranking, request)
            for ranking, found in zip(rankings, asked, strict=True)
        ]
        spent = (time.perf_counter() - started) * 1e3
        return [replace(one, timings_ms=_with(one.timings_ms, spent)) for one in ordered_anew]

    def _deeper(self, request: SearchRequest) -> SearchRequest:
        many = any(len(clauses(query)) > FEW for query in request.queries)
        return replace(request, depth=max(DEPTH, request.depth, request.k), by_clause=request.by_clause or many)

    async def _ask(self, request: SearchRequest) -> list[list[Evidence]]:
        """Per query, what was asked before near the whole of it, then near each of its clauses."""
        splits = profile_named(request.profile).splits
        texts = [(query, *(clauses(query) if splits else ())) for query in request.queries]
        limits = {text: OF_CLAUSE for of_query in texts for text in of_query[1:]} | dict.fromkeys(
            request.queries, RECALL
        )
        vectors = await self._embedder.embed(list(limits))  # known since the search a moment ago
        where = Filter(request.tenant, request.servers)
        asked = await self._bank.search(list(limits), list(vectors), where, list(limits.values()))
        found = dict(zip(limits, map(evidence, asked), strict=True))
        near = [[found[text] for text in of_query] for of_query in texts]
        # An engine may lose a tenant's last questions between two legs.
        return [[] if None in of_query else [one for one in of_query if one is not None] for of_query in near]

    def _rank(self, ranking: Ranking, found: Sequence[Evidence], request: SearchRequest) -> Ranking:
        before = {candidate.tool_id: candidate for candidate in (*ranking.candidates, *ranking.nearest)}
        exact = {tool_id for tool_id, candidate in before.items() if "exact" in candidate.stages}
        document = {tool_id: candidate.score - (tool_id in exact) for tool_id, candidate in before.items()}
        unasked = {tool_id for tool_id in document if not self._bank.has(request.tenant, tool_id)}
        servers = {tool_id: server for one in found for tool_id, server in one.servers.items()}
        known = document.keys() | servers.keys()
        by_clause = [{tool_id: of[tool_id] for tool_id in of.keys() & known} for of in ranking.by_clause]
        coverage = COVERAGE if profile_named(request.profile).coverage else 0.0
        blended = blend(document, found, unasked, self._weights, by_clause, coverage)
        scores = {tool_id: score + (tool_id in exact) for tool_id, score in blended.scores.items()}
        named = [c.tool_id for c in ranking.candidates if any(stage in c.stages for stage in NAMED)]
        stages = {**found[0].kinds, BEHIND: dict.fromkeys(blended.behind, -coverage)}
        if len(found) > 1:
            stages[ASKED_CLAUSE] = best_of(one.kinds["asked"] for one in found[1:])
        candidates = [
            Candidate(
                tool_id,
                before[tool_id].server if tool_id in before else servers[tool_id],
                scores[tool_id],
                _stages(before.get(tool_id), {kind: of[tool_id] for kind, of in stages.items() if tool_id in of}),
            )
            for tool_id in _keeping(named, ordered(scores), request.k)[: max(request.k + NEAREST, request.depth)]
        ]
        best, nearest = tuple(candidates[: request.k]), tuple(candidates[request.k :])
        asked_for = ranking.by_clause if request.by_clause else ()
        return replace(ranking, candidates=best, nearest=nearest, by_clause=asked_for)


def _stages(before: Candidate | None, found: Mapping[str, float]) -> Mapping[str, float]:
    """Of the search before and of this stage, which says anew who stands behind whom."""
    kept = {kind: score for kind, score in (before.stages if before else {}).items() if kind != BEHIND}
    return {**kept, **found}


def _keeping(named: Sequence[str], order: Sequence[str], k: int) -> list[str]:
    """The order, with named tools that fell behind k moved up to the last places before it."""
    fallen = [tool_id for tool_id in order[k:] if tool_id in named]
    if not fallen:
        return list(order)
    others = [tool_id for tool_id in order if tool_id not in fallen]
    return [*others[: k - len(fallen)], *fallen, *others[k - len(fallen) :]]


def _short(ranking: Ranking, request: SearchRequest) -> Ranking:
    """Without the depth that only this stage had asked for."""
    asked_for = ranking.by_clause if request.by_clause else ()
    return replace(ranking, nearest=ranking.nearest[: max(NEAREST, request.depth - request.k)], by_clause=asked_for)


def _with(timings: Mapping[str, float], spent: float) -> dict[str, float]:
    return {**timings, "usage": spent, "total": timings.get("total", 0.0) + spent}

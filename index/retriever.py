"""From queries to rankings: embed, recall per leg, mix per text, join the clauses, include what was named.

Refuses to know: which engine, which model, what a session is. Scores stay with every candidate, stage by stage.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from domain.candidates import Candidate, Ranking
from domain.errors import EmbedderUnavailable, InvalidInput
from index.clauses import clauses
from index.embedders.caching import QueryEmbedder, Vector
from index.exact import Mentions, mentions
from index.fusion import Scores, best_of, min_max, ordered, reciprocal_rank, weighted_sum
from index.ports import DenseLeg, Engine, Filter, Hit, Leg, NameLeg, SearchRequest, SparseLeg
from index.profiles import Mix, Profile, profile_named
from index.sparse import Bm25Encoder

MAX_K = 100
NEAREST = 3
"""Candidates beyond k that a ranking keeps to explain what nearly made it."""

SPARSE = "sparse"
EXACT, PHRASE, PREFIX = "exact", "phrase", "prefix"
MAX_PREFIXED = 5
EXACT_BONUS = 1.0
"""Mixed scores lie in [0, 1]: a tool that the query names stands above every tool that it describes."""


@dataclass(slots=True)
class _Plan:
    """One query's texts (itself, then its clauses) and the legs they need, by (text number, stage)."""

    query: str
    texts: tuple[str, ...]
    legs: dict[tuple[int, str], Leg] = field(default_factory=dict)
    found: dict[tuple[int, str], list[Hit]] = field(default_factory=dict)


class Retriever:
    """Reads only. One instance serves every tenant at once."""

    def __init__(self, embedder: QueryEmbedder, encoder: Bm25Encoder, engine: Engine) -> None:
        self._embedder = embedder
        self._encoder = encoder
        self._engine = engine

    async def search(self, request: SearchRequest) -> list[Ranking]:
        """One ranking per query, in their order.

        Without an embedder the lexical legs answer, and the ranking says `degraded=("embedder",)`.
        Raises InvalidInput for k out of bounds, an empty query or an unknown profile; IndexUnavailable.
        """
        profile = _checked(request)
        clock = _Clock()
        plans = [_Plan(query, (query, *clauses(query)) if profile.whole < 1 else (query,)) for query in request.queries]
        degraded: tuple[str, ...] = ()
        vectors: dict[str, Vector] = {}
        if profile.dense:
            try:
                vectors = await self._embed(plans)
            except EmbedderUnavailable:
                profile, degraded = profile.lexical, ("embedder",)
        clock.lap("embed")
        limit = max(profile.recall, request.k)
        for plan in plans:
            self._add_legs(plan, profile, vectors, limit)
        await self._recall(plans, Filter(request.tenant, request.servers))
        clock.lap("recall")
        ranked = [_rank(plan, profile, request.k) for plan in plans]
        clock.lap("fuse")
        return [
            Ranking(plan.query, top, request.profile, degraded=degraded, nearest=rest, timings_ms=clock.laps)
            for plan, (top, rest) in zip(plans, ranked, strict=True)
        ]

    async def _embed(self, plans: Sequence[_Plan]) -> dict[str, Vector]:
        """Every distinct text of the whole request, in one batch."""
        texts = list(dict.fromkeys(text for plan in plans for text in plan.texts))
        return dict(zip(texts, await self._embedder.embed(texts), strict=True))

    def _add_legs(self, plan: _Plan, profile: Profile, vectors: Mapping[str, Vector], limit: int) -> None:
        for number, text in enumerate(plan.texts):
            for name in profile.dense:
                plan.legs[number, name] = DenseLeg(name, vectors[text], limit)
            terms = self._encoder.query(text) if profile.sparse else None
            if terms is not None and terms.indices:
                plan.legs[number, SPARSE] = SparseLeg(terms, limit)
        if profile.names:
            plan.legs.update({(0, stage): leg for stage, leg in _name_legs(mentions(plan.query), limit).items()})

    async def _recall(self, plans: Sequence[_Plan], where: Filter) -> None:
        legs = [leg for plan in plans for leg in plan.legs.values()]
        answers = iter(await self._engine.search(legs, where))
        for plan in plans:
            plan.found = {which: next(answers) for which in plan.legs}


def _checked(request: SearchRequest) -> Profile:
    if not 1 <= request.k <= MAX_K:
        raise InvalidInput(f"A search returns between 1 and {MAX_K} tools per query, not {request.k}.")
    if any(not query.strip() for query in request.queries):
        raise InvalidInput("A query is empty; write what the tool should do in a few words.")
    return profile_named(request.profile)


def _name_legs(named: Mentions, limit: int) -> dict[str, Leg]:
    legs: dict[str, Leg] = {}
    if named.exact:
        legs[EXACT] = NameLeg(named.exact, limit)
    if named.phrases:
        legs[PHRASE] = NameLeg(named.phrases, limit)
    if named.prefixes:
        legs[PREFIX] = NameLeg(named.prefixes, MAX_PREFIXED, prefix=True)
    return legs


def _rank(plan: _Plan, profile: Profile, k: int) -> tuple[tuple[Candidate, ...], tuple[Candidate, ...]]:
    """The k best, and the nearest that were left out."""
    scores = {which: {hit.tool_id: hit.score for hit in hits} for which, hits in plan.found.items()}
    mixes = [_mix(scores, number, profile) for number in range(len(plan.texts))]
    stages: dict[str, Scores] = {stage: hits for (number, stage), hits in scores.items() if number == 0}
    fused: dict[str, float] = mixes[0]
    if len(mixes) > 1:
        stages["whole"], stages["clauses"] = mixes[0], best_of(mixes[1:])
        fused = weighted_sum([(profile.whole, stages["whole"]), (1 - profile.whole, stages["clauses"])])
    stages["fused"] = fused
    final = weighted_sum([(1.0, fused), *((weight, stages.get(stage, {})) for stage, weight in _NAMED.items())])
    servers = {hit.tool_id: hit.server for hits in plan.found.values() for hit in hits}
    order = _with_included(ordered(final), {*stages.get(PHRASE, {}), *stages.get(PREFIX, {})}, k)
    candidates = [
        Candidate(tool_id, servers[tool_id], final[tool_id], {n: s[tool_id] for n, s in stages.items() if tool_id in s})
        for tool_id in order[: k + NEAREST]
    ]
    return tuple(candidates[:k]), tuple(candidates[k:])


_NAMED = {EXACT: EXACT_BONUS, PHRASE: 0.0, PREFIX: 0.0}


def _mix(scores: Mapping[tuple[int, str], Scores], number: int, profile: Profile) -> dict[str, float]:
    """One score in [0, 1] per tool that any leg of this text found."""
    legs = [(weight, scores.get((number, name), {})) for name, weight in profile.dense.items()]
    sparse = scores.get((number, SPARSE), {})
    if profile.mix is Mix.RRF:
        return reciprocal_rank([hits for _, hits in legs] + [sparse])
    dense = [(weight, min_max(hits)) for weight, hits in legs]
    # A cosine has no zero of its own, so the worst hit is it; BM25 has one: no term in common.
    return weighted_sum([*dense, (profile.sparse, min_max(sparse, floor=0.0))])


def _with_included(order: Sequence[str], included: set[str], k: int) -> list[str]:
    """The order, with included tools that fell behind k moved up to the last places before it, at most k // 2."""
    behind = [tool_id for tool_id in order[k:] if tool_id in included][: k // 2]
    if not behind:
        return list(order)
    front = list(order[:k])
    replaceable = [tool_id for tool_id in reversed(front) if tool_id not in included][: len(behind)]
    moved = behind[: len(replaceable)]
    kept = [tool_id for tool_id in front if tool_id not in replaceable]
    rest = [tool_id for tool_id in order if tool_id not in kept and tool_id not in moved]
    return [*kept, *moved, *rest]


class _Clock:
    """Milliseconds per stage, and their total."""

    def __init__(self) -> None:
        self._last = self._start = time.perf_counter()
        self.laps: dict[str, float] = {}

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.laps[stage] = (now - self._last) * 1e3
        self.laps["total"] = (now - self._start) * 1e3
        self._last = now

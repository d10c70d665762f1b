"""From queries to rankings: embed, recall per leg, mix per text, join the clauses, include what was named.

Refuses to know: which engine, which model, what a session is. Scores stay with every candidate, stage by stage.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence

import numpy as np

from domain.candidates import Ranking
from domain.errors import EmbedderUnavailable, InvalidInput
from index.clauses import clauses
from index.documents import point_id
from index.embedders.caching import QueryEmbedder, Vector
from index.exact import Mentions, mentions
from index.fields import CONCAT, DENSE_FIELDS, NAME
from index.ports import DenseLeg, Engine, Filter, Leg, NameLeg, SearchRequest, SparseLeg, Terms
from index.profiles import PROFILES, Mix, Profile, profile_named
from index.ranking.learnt import Learnt, LearntMix
from index.ranking.order import EXACT, PHRASE, PREFIX, by_clause, rank
from index.ranking.recall import ADAPTED, SPARSE, Recall
from index.sparse import Bm25Encoder

MAX_K = 100
MAX_PREFIXED = 5
Limits = tuple[int, int]
"""Hits asked of a leg of the whole query, and of one of its clauses."""

_EVERYWHERE = frozenset(spec.name for spec in DENSE_FIELDS)


class Retriever:
    """Reads only. One instance serves every tenant at once."""

    def __init__(
        self,
        embedder: QueryEmbedder,
        encoder: Bm25Encoder,
        engine: Engine,
        profiles: Mapping[str, Profile] = PROFILES,
        *,
        learnt: Learnt | None = None,
        fields: frozenset[str] = _EVERYWHERE,
    ) -> None:
        """`learnt`: with this embedder; None leaves profiles of learnt weights their fixed ones. `fields`: the vectors
        that points have.
        """
        self._embedder = embedder
        self._encoder = encoder
        self._engine = engine
        self._profiles = profiles
        self._fields = fields
        self.learnt = learnt

    async def search(self, request: SearchRequest) -> list[Ranking]:
        """One ranking per query, in their order.

        Without an embedder the lexical legs answer, and the ranking says `degraded=("embedder",)`.
        Raises InvalidInput for k out of bounds, an empty query, an unknown profile, or one that weighs vectors which
        this index does not have; IndexUnavailable.
        """
        clock = Clock()
        profile, recalls = await self.recall(request, clock)
        degraded = ("embedder",) if self._profiles[request.profile].dense and not profile.dense else ()
        mix = self._mix(profile)
        ranked = [rank(recall, profile, request.k, depth=request.depth, mix=mix) for recall in recalls]
        alone = [by_clause(recall, profile, mix) if request.by_clause else () for recall in recalls]
        clock.lap("fuse")
        return [
            Ranking(
                recall.query,
                top,
                request.profile,
                degraded=degraded,
                nearest=rest,
                timings_ms=clock.laps,
                by_clause=of_clauses,
            )
            for recall, (top, rest), of_clauses in zip(recalls, ranked, alone, strict=True)
        ]

    async def recall(self, request: SearchRequest, clock: Clock | None = None) -> tuple[Profile, list[Recall]]:
        """What every leg finds, per query, before anything is ranked; and the profile, or what is left of it."""
        profile = _checked(request, self._profiles)
        self._require_fields(profile)
        profile = profile if self.learnt is not None else profile.unlearnt
        clock = clock or Clock()
        recalls = [Recall(query, (query, *clauses(query)) if profile.splits else (query,)) for query in request.queries]
        limits = hits_asked(profile, request)
        where = Filter(request.tenant, request.servers)
        self._add_wordy(recalls, profile, limits)
        # Words and names need no vector: they are looked up while the model runs.
        vectors, _ = await asyncio.gather(self._embed(recalls, profile), self._ask(recalls, where))
        if vectors is None:
            profile, vectors = profile.lexical, {}
            self._add_wordy(recalls, profile, limits)
        clock.lap("embed")
        self._add_dense(recalls, profile, vectors, limits)
        await self._ask(recalls, where)
        clock.lap("recall")
        if profile.mix is Mix.LEARNT:
            await asyncio.gather(*(self._rescore(recall, vectors, request.tenant) for recall in recalls))
            clock.lap("rescore")
        elif profile.cosines:
            await asyncio.gather(*(self._weigh(recall, profile, vectors, request.tenant) for recall in recalls))
            clock.lap("rescore")
        return profile, recalls

    async def _weigh(self, recall: Recall, profile: Profile, vectors: Mapping[str, Vector], tenant: str) -> None:
        """The cosine of everything that any leg found with every field that the profile weighs."""
        texts = np.stack([vectors[text] for text in recall.texts])
        ids = [point_id(tenant, tool_id) for tool_id in recall.tool_ids]
        recall.exact = await self._engine.rescore(ids, dict.fromkeys(profile.cosines, texts))

    async def _rescore(self, recall: Recall, vectors: Mapping[str, Vector], tenant: str) -> None:
        """Every score of everything that any leg found, with every text, as it is and as the adapter moves it."""
        assert self.learnt is not None
        texts = np.stack([vectors[text] for text in recall.texts])
        asked = {CONCAT: np.concatenate([texts, self.learnt.adapter.adapted(texts)]), NAME: texts}
        terms = Terms(tenant, tuple(self._encoder.query(text) for text in recall.texts))
        ids = [point_id(tenant, tool_id) for tool_id in recall.tool_ids]
        found = await self._engine.rescore(ids, asked, terms)
        plain, adapted = np.split(found[CONCAT], 2)
        recall.exact = {CONCAT: plain, ADAPTED: adapted, NAME: found[NAME], SPARSE: found[SPARSE]}

    def _require_fields(self, profile: Profile) -> None:
        if missing := {*profile.dense, *profile.cosines} - self._fields:
            raise InvalidInput(
                f"The index keeps no vectors of {', '.join(sorted(missing))}, which profile {profile.name} weighs; set "
                f"TOOLCRIB_PROFILE={profile.name} and start again, and it will."
            )

    def _mix(self, profile: Profile) -> LearntMix | None:
        if profile.mix is not Mix.LEARNT or self.learnt is None:
            return None
        return self.learnt.mix if profile.adapter else self.learnt.plain

    async def _embed(self, recalls: Sequence[Recall], profile: Profile) -> dict[str, Vector] | None:
        """Every distinct text of the whole request, in one batch; None without an embedder."""
        if not profile.dense:
            return {}
        texts = list(dict.fromkeys(text for recall in recalls for text in recall.texts))
        try:
            return dict(zip(texts, await self._embedder.embed(texts), strict=True))
        except EmbedderUnavailable:
            return None

    def _add_wordy(self, recalls: Sequence[Recall], profile: Profile, limits: Limits) -> None:
        for recall in recalls:
            for number, text in enumerate(recall.texts):
                terms = self._encoder.query(text) if profile.sparse else None
                if terms is not None and terms.indices:
                    recall.legs[number, SPARSE] = SparseLeg(terms, limits[number > 0])
            if profile.names:
                named = _name_legs(mentions(recall.query), limits[0])
                recall.legs.update({(0, stage): leg for stage, leg in named.items()})

    def _add_dense(
        self, recalls: Sequence[Recall], profile: Profile, vectors: Mapping[str, Vector], limits: Limits
    ) -> None:
        for recall in recalls:
            for number, text in enumerate(recall.texts):
                for name in profile.dense:
                    recall.legs[number, name] = DenseLeg(name, vectors[text], limits[number > 0])

    async def _ask(self, recalls: Sequence[Recall], where: Filter) -> None:
        """What was not asked yet."""
        new = [(recall, which) for recall in recalls for which in recall.legs if which not in recall.found]
        if new:
            answers = await self._engine.search([recall.legs[which] for recall, which in new], where)
            for (recall, which), hits in zip(new, answers, strict=True):
                recall.found[which] = hits


def hits_asked(profile: Profile, request: SearchRequest) -> Limits:
    """Of a leg of the whole query, and of one of its clauses."""
    whole = max(profile.recall, request.k, request.depth)
    return whole, min(whole, max(profile.of_clause, request.k))


def _checked(request: SearchRequest, profiles: Mapping[str, Profile]) -> Profile:
    if not 1 <= request.k <= MAX_K:
        raise InvalidInput(f"A search returns between 1 and {MAX_K} tools per query, not {request.k}.")
    if any(not query.strip() for query in request.queries):
        raise InvalidInput("A query is empty; write what the tool should do in a few words.")
    return profile_named(request.profile, profiles)


def _name_legs(named: Mentions, limit: int) -> dict[str, Leg]:
    legs: dict[str, Leg] = {}
    if named.exact:
        legs[EXACT] = NameLeg(named.exact, limit)
    if named.phrases:
        legs[PHRASE] = NameLeg(named.phrases, limit)
    if named.prefixes:
        legs[PREFIX] = NameLeg(named.prefixes, MAX_PREFIXED, prefix=True)
    return legs


class Clock:
    """Milliseconds per stage, and their total."""

    def __init__(self) -> None:
        self._last = self._start = time.perf_counter()
        self.laps: dict[str, float] = {}

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.laps[stage] = (now - self._last) * 1e3
        self.laps["total"] = (now - self._start) * 1e3
        self._last = now

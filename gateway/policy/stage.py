"""The policy's stage of a search: it orders what retrieval found, and never adds to it or takes anything away.

Late, wrong or absent, it leaves retrieval's order, and the answer says `policy` under `degraded`. What the query names
stays on top. In its shadow a search is answered before the policy is asked.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from domain.candidates import Candidate, Ranking
from domain.errors import ModelUnavailable, StoreUnavailable
from domain.events import Event
from gateway.policy.fast_path import FastPath
from gateway.policy.questions import DEPTH, Records, question_of
from gateway.policy.shadow import Shadow
from gateway.policy.situations import Situations
from gateway.policy.standing import Standing, Standings
from index.ports import SearchRequest
from index.ranking.order import EXACT, NEAREST
from index.rerank import UNTOUCHED, is_named, with_included, with_stage
from index.searcher import Searcher
from policy_client.decision import Decision, Question

STAGE = "policy"
DEGRADED = "policy"
BUDGET_LEFT = "budget_left"
"""The scorer's number of a session's budget (policy_client.scorer_features.CONTEXT)."""

Texts = Callable[[str, Sequence[str]], Awaitable[Mapping[str, str]]]


@dataclass(frozen=True, slots=True)
class Sources:
    """Where a question's parts come from. `records`: of a tenant's tools, as far as known, without waiting."""

    texts: Texts
    situations: Situations
    records: Callable[[str], Records]
    fast: FastPath | None = None  # decides before any policy is asked
    notes: Callable[[str], bool] = lambda _tenant: False  # whether a tenant's searches keep what a policy would see


class PolicySearch:
    """A searcher around another one."""

    def __init__(
        self, inner: Searcher, standings: Standings, sources: Sources, record: Callable[[Event], object]
    ) -> None:
        """`record`: takes the event of a decision that changed nothing."""
        self._inner = inner
        self.standings = standings
        self._sources = sources
        self.fast = sources.fast
        self._shadow = Shadow(self._decide_in_shadow, record)

    async def search(self, request: SearchRequest) -> list[Ranking]:
        """As the inner one searches; some profiles are not touched."""
        fast = self.fast if self.fast is not None and self.fast.is_ready(request.tenant) else None
        standing, notes = self.standings.of(request.tenant), self._sources.notes(request.tenant)
        idle = not standing.looks_on and standing.control is None and fast is None and not notes
        if idle or request.profile in UNTOUCHED:
            return await self._inner.search(request)
        rankings = await self._inner.search(replace(request, depth=max(request.depth, DEPTH)))
        known = self._sources.situations.of(request.tenant, request.session_id)
        quick = [await fast.first(request, ranking, known) if fast else None for ranking in rankings]
        left = iter(await self._left(request, [one for one, done in zip(rankings, quick, strict=True) if done is None]))
        return [next(left) if done is None else _shown(done, request, _all(done)) for done in quick]

    async def _left(self, request: SearchRequest, rankings: Sequence[Ranking]) -> list[Ranking]:
        """What the policy orders, or looks at in its shadow."""
        standing = self.standings.of(request.tenant)
        deciding = standing.deciding(request.tenant, request.session_id)
        if deciding is not standing and standing.looks_on and rankings:
            self._shadow.take(request, rankings)
        if deciding is None:
            return [self._untouched(request, ranking) for ranking in rankings]
        with deciding.used():
            return list(await asyncio.gather(*(self._ordered(deciding, request, ranking) for ranking in rankings)))

    def _untouched(self, request: SearchRequest, ranking: Ranking) -> Ranking:
        """In retrieval's order; with what a policy would see, where the tenant wants policies to be judged by it."""
        if self._sources.notes(request.tenant):
            question = self._question(request, ranking, {})
            numbers = {option.tool_id: option.features for option in question.options}
            noted = [replace(one, stages={**one.stages, **numbers.get(one.tool_id, {})}) for one in _all(ranking)]
            return replace(_shown(ranking, request, noted), context=question.context)
        return _shown(ranking, request, _all(ranking))

    async def aclose(self) -> None:
        """Give up what nobody waits for."""
        await self._shadow.aclose()

    async def ask(self, request: SearchRequest) -> Decision:
        """What it would do about a request of one query; nothing is logged and nothing changes. Raises as `_decide`."""
        ranking = (await self._inner.search(replace(request, depth=max(request.depth, DEPTH))))[0]
        return (await self._decide_in_shadow(request, ranking))[1]

    async def _decide_in_shadow(self, request: SearchRequest, ranking: Ranking) -> tuple[Question, Decision]:
        with self.standings.of(request.tenant).used() as standing:
            return await self._decide(standing, request, ranking)

    async def _decide(self, standing: Standing, request: SearchRequest, ranking: Ranking) -> tuple[Question, Decision]:
        """Raises ModelUnavailable, StoreUnavailable."""
        router = standing.router
        wanted = [one.tool_id for one in _all(ranking)[:DEPTH]] if router.reads_texts else []
        texts = await self._sources.texts(request.tenant, wanted) if wanted else {}
        question = self._question(request, ranking, texts)
        return question, await router.decide(question)

    def _question(self, request: SearchRequest, ranking: Ranking, texts: Mapping[str, str]) -> Question:
        situation = self._sources.situations.of(request.tenant, request.session_id)
        question = question_of(ranking, situation, self._sources.records(request.tenant), texts)
        return replace(question, context={**question.context, BUDGET_LEFT: request.calls_left})

    async def _ordered(self, standing: Standing, request: SearchRequest, ranking: Ranking) -> Ranking:
        began = time.perf_counter()
        found = [*ranking.candidates, *ranking.nearest]
        try:
            question, decision = await self._decide(standing, request, ranking)
        except (ModelUnavailable, StoreUnavailable):
            return replace(_shown(ranking, request, found), degraded=(*ranking.degraded, DEGRADED))
        ordered = _by(decision, question, found)
        included = {one.tool_id for one in ranking.candidates if is_named(one)}
        shown = _shown(ranking, request, with_included(ordered, included, len(ranking.candidates)))
        took_ms = (time.perf_counter() - began) * 1e3
        return replace(
            shown,
            decided_by=f"{decision.backend} {decision.version}",
            context=question.context,
            timings_ms=with_stage(ranking.timings_ms, STAGE, took_ms),
        )


def _by(decision: Decision, question: Question, found: Sequence[Candidate]) -> list[Candidate]:
    """What the policy saw in its order, then the rest as it came. The policy's share of the best is the score."""
    highest = max(decision.calls.values(), default=1.0) or 1.0
    numbers = {option.tool_id: option.features for option in question.options}
    seen = [
        replace(
            one,
            score=decision.calls[one.tool_id] / highest,
            stages={**one.stages, **numbers[one.tool_id], STAGE: decision.calls[one.tool_id]},
        )
        for one in found
        if one.tool_id in decision.calls
    ]
    seen.sort(key=lambda one: (EXACT not in one.stages, -one.score, one.tool_id))
    return [*seen, *(one for one in found if one.tool_id not in decision.calls)]


def _all(ranking: Ranking) -> list[Candidate]:
    return [*ranking.candidates, *ranking.nearest]


def _shown(ranking: Ranking, request: SearchRequest, order: Sequence[Candidate]) -> Ranking:
    """As many as retrieval gave, and no more of the nearest than were asked for."""
    count = len(ranking.candidates)  # not k: retrieval may have chosen fewer
    beyond = max(NEAREST, request.depth - count)
    return replace(ranking, candidates=tuple(order[:count]), nearest=tuple(order[count : count + beyond]))

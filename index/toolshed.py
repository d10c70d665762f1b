"""Profile `toolshed`: a language model takes the request apart, each step is searched for, and each gets its share.

After Toolshed (arXiv 2410.14594): rewrite, decomposition into 1 to 4 steps, two variations of each, a ranking per
step, floor(k / steps) from each, no tool twice, then filled up. One model call instead of its 5 to 13, and without its
faults: the plain search runs at the same time and fills every place that is left, so that there are never fewer
candidates than it has, whatever the model does. Refuses to know: which model (index.model_ports.ChatModel).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, zip_longest

from domain.candidates import Candidate, Ranking
from domain.errors import ModelUnavailable, Unavailable
from index.fusion import ordered, reciprocal_rank
from index.model_ports import ChatModel
from index.plans import Plan, Step, make_plan
from index.ports import SearchRequest
from index.ranking.order import NEAREST
from index.rerank import DEGRADED as RERANKER
from index.rerank import RerankStage, is_named, with_included, with_stage
from index.searcher import Searcher

PROFILE = "toolshed"
BASE = "hybrid"
"""The profile that searches for each step, and answers where the model does not."""

DEGRADED = "llm"


@dataclass(frozen=True, slots=True)
class ToolshedStages:
    """What of it is on: each has its row in the ablation table."""

    rewrite: bool = True
    decompose: bool = True
    expand: bool = True
    deadline_s: float = 15.0


class ToolshedSearch:
    """A searcher around another one. Other profiles pass through."""

    def __init__(
        self,
        inner: Searcher,
        chat: ChatModel | None,
        rerank: RerankStage | None = None,
        stages: ToolshedStages | None = None,
    ) -> None:
        """Without a chat model the profile answers as the plain search does, and says that it is degraded."""
        self._inner = inner
        self._chat = chat
        self._rerank = rerank
        self._stages = stages or ToolshedStages()

    async def search(self, request: SearchRequest) -> list[Ranking]:
        """One ranking per query."""
        if request.profile != PROFILE:
            return await self._inner.search(request)
        plans = [asyncio.create_task(self._plan(query)) for query in request.queries]
        try:
            plain = await self._inner.search(replace(request, profile=BASE))
            return list(
                await asyncio.gather(
                    *(self._deep(request, ranking, plan) for ranking, plan in zip(plain, plans, strict=True))
                )
            )
        finally:
            for plan in plans:
                plan.cancel()
            await asyncio.gather(*plans, return_exceptions=True)

    async def _plan(self, query: str) -> Plan:
        """Raises ModelUnavailable."""
        if self._chat is None:
            raise ModelUnavailable("No language model is configured; set TOOLCRIB_LLM_URL.")
        try:
            async with asyncio.timeout(self._stages.deadline_s):
                plan = await make_plan(self._chat, query)
        except TimeoutError:
            raise ModelUnavailable(
                f"The language model did not take the request apart within {self._stages.deadline_s:g} s."
            ) from None
        return self._ablated(plan, query)

    def _ablated(self, plan: Plan, query: str) -> Plan:
        steps = plan.steps if self._stages.decompose else (Step(plan.rewritten),)
        if not self._stages.expand:
            steps = tuple(Step(step.need) for step in steps)
        return Plan(plan.rewritten if self._stages.rewrite else query, steps)

    async def _deep(self, request: SearchRequest, plain: Ranking, planning: asyncio.Task[Plan]) -> Ranking:
        began = time.perf_counter()
        try:
            plan = await planning
            per_step, failed = await self._per_step(request, plan)
        except Unavailable:
            return replace(plain, profile=PROFILE, degraded=(*plain.degraded, DEGRADED))
        order = share_out(per_step, [*plain.candidates, *plain.nearest], request.k)
        count = min(request.k, len(order))
        named = {candidate.tool_id for candidate in plain.candidates if is_named(candidate)}
        order = [
            replace(candidate, score=1 - place / len(order)) for place, candidate in enumerate(
                with_included(order, named, count)
            )
        ]  # fmt: skip
        return replace(
            plain,
            candidates=tuple(order[:count]),
            nearest=tuple(order[count : count + NEAREST]),
            profile=PROFILE,
            degraded=(*plain.degraded, *failed),
            timings_ms=with_stage(plain.timings_ms, PROFILE, (time.perf_counter() - began) * 1e3),
        )

    async def _per_step(self, request: SearchRequest, plan: Plan) -> tuple[list[Sequence[Candidate]], tuple[str, ...]]:
        """Each step's tools, best first, and the stages that failed on the way."""
        texts = list(dict.fromkeys(chain([plan.rewritten], *(step.texts for step in plan.steps))))
        # What fits and how many to give is judged once, of the request as it was asked.
        whole = replace(request, profile=BASE, judge=False, adaptive=False)
        deeper = replace(whole, queries=tuple(texts), k=min(2 * request.k, 100))
        rankings = dict(zip(texts, await self._inner.search(deeper), strict=True))
        steps = plan.steps if len(plan.steps) > 1 else (replace(plan.steps[0], rewritten=plan.rewritten),)
        fused = [_fused([rankings[text] for text in step.texts], number) for number, step in enumerate(steps, start=1)]
        failed = dict.fromkeys(stage for ranking in rankings.values() for stage in ranking.degraded)
        if self._rerank is None:
            return list(fused), tuple(failed)
        ranked = await asyncio.gather(
            *(self._rerank.order(request.tenant, step.need, one) for step, one in zip(steps, fused, strict=True)),
            return_exceptions=True,
        )
        best: list[Sequence[Candidate]] = []
        for before, after in zip(fused, ranked, strict=True):
            if isinstance(after, Unavailable):
                failed[RERANKER] = None
            elif isinstance(after, BaseException):
                raise after
            best.append(before if isinstance(after, BaseException) else after)
        return best, tuple(failed)


def _fused(rankings: Sequence[Ranking], step: int) -> list[Candidate]:
    """One order of what a step's texts found, by ranks: scores of different texts cannot be compared."""
    found: dict[str, Candidate] = {}
    for ranking in rankings:
        for candidate in ranking.candidates:
            found.setdefault(candidate.tool_id, candidate)
    ranks = reciprocal_rank([_by_place(ranking.candidates) for ranking in rankings])
    stage = f"step {step}"
    return [
        replace(found[tool_id], score=ranks[tool_id], stages={**found[tool_id].stages, stage: ranks[tool_id]})
        for tool_id in ordered(ranks)
    ]


def _by_place(candidates: Sequence[Candidate]) -> Mapping[str, float]:
    return {candidate.tool_id: float(-place) for place, candidate in enumerate(candidates)}


def share_out(steps: Sequence[Sequence[Candidate]], plain: Sequence[Candidate], k: int) -> list[Candidate]:
    """floor(k / steps) from each step, one of each in turn; then what the steps have left, in turn; then the plain
    search's. No tool twice, and at least k where there are so many.
    """
    share = max(1, k // max(1, len(steps)))
    taken: set[str] = set()
    due = [_own(step, taken, share) for step in steps]
    kept: dict[str, Candidate] = {}
    for candidate in chain(_in_turn(due), _in_turn(steps), plain):
        kept.setdefault(candidate.tool_id, candidate)
    return list(kept.values())


def _in_turn(steps: Sequence[Sequence[Candidate]]) -> Iterator[Candidate]:
    """The first of each, then the second of each."""
    return (candidate for row in zip_longest(*steps) for candidate in row if candidate is not None)


def _own(step: Sequence[Candidate], taken: set[str], share: int) -> list[Candidate]:
    """The step's best that no step before it took."""
    own = [candidate for candidate in step if candidate.tool_id not in taken][:share]
    taken |= {candidate.tool_id for candidate in own}
    return own

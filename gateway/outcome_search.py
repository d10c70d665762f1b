"""Outcome-aware ranking: what a tool's calls came to moves it within the answer, never out of it.

Nothing becomes unreachable: the candidates are those that retrieval found, each keeps at least a floor's share of its
score, and what the query names stays where it is. Implements `index.searcher.Searcher` around another one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from domain.candidates import Candidate, Ranking
from domain.outcome_prior import OutcomeCounts, Outcomes
from index.ports import SearchRequest
from index.rerank import UNTOUCHED, is_named
from index.searcher import Searcher

STAGE = "outcomes"
"""The factor of a candidate's score, where it is not 1."""


@dataclass(slots=True)
class OutcomeSearch:
    """`outcomes`: a tenant's, as far as its log was read, None where nothing is known."""

    inner: Searcher
    outcomes: Callable[[str], Outcomes | None]
    counts: OutcomeCounts = field(default_factory=OutcomeCounts)

    async def search(self, request: SearchRequest) -> list[Ranking]:
        """As the inner one searches; some profiles are not touched."""
        rankings = await self.inner.search(request)
        known = self.outcomes(request.tenant)
        if known is None or request.profile in UNTOUCHED:
            return rankings
        now = time.time()
        return [self._weighed(ranking, known, now) for ranking in rankings]

    def _weighed(self, ranking: Ranking, known: Outcomes, now: float) -> Ranking:
        factors = {one.tool_id: known.factor(one.tool_id, now) for one in ranking.candidates}
        self.counts.asked += 1
        if all(factor == 1.0 for factor in factors.values()):
            return ranking
        weighed = [_times(one, factors) for one in ranking.candidates]
        movable = iter(sorted((one for one in weighed if not is_named(one)), key=lambda one: -one.score))
        order = tuple(one if is_named(one) else next(movable) for one in weighed)
        self.counts.changed += [one.tool_id for one in order] != [one.tool_id for one in ranking.candidates]
        return replace(ranking, candidates=order)


def _times(one: Candidate, factors: Mapping[str, float]) -> Candidate:
    factor = factors[one.tool_id]
    if factor == 1.0 or is_named(one):
        return one
    return replace(one, score=one.score * factor, stages={**one.stages, STAGE: factor})

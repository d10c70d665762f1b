"""Exploration: now and then a search shows one further tool, drawn at random, in a slot of its own.

The log is confounded by retrieval: of a tool that is never shown nobody learns what it would have been good for. The
drawn tool takes no other's place, and the probability of what was shown is known. Off unless a tenant's rules say so.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

from domain.candidates import Ranking
from index.ports import SearchRequest
from index.searcher import Searcher

POOL = 16
"""The tools beyond k among which one is drawn: near enough not to look absurd, far enough to be news."""

EXPLORED = "explored"
"""The stage that marks the drawn tool, with the probability with which it was drawn."""


class ExploringSearch:
    """A stage around a searcher, which is asked as it is wherever nothing is explored."""

    def __init__(self, searcher: Searcher, epsilon: Callable[[str], float], dice: random.Random | None = None) -> None:
        """`epsilon`: tenant -> probability that one query shows a further tool."""
        self._searcher = searcher
        self._epsilon = epsilon
        self._dice = dice or random.SystemRandom()

    async def search(self, request: SearchRequest) -> list[Ranking]:
        epsilon = self._epsilon(request.tenant)
        if not epsilon:
            return await self._searcher.search(request)
        deep = replace(request, depth=max(request.depth, request.k + POOL))
        return [self._explored(ranking, epsilon) for ranking in await self._searcher.search(deep)]

    def _explored(self, ranking: Ranking, epsilon: float) -> Ranking:
        pool = ranking.nearest[:POOL]
        if not pool or ranking.abstained:
            return ranking
        if self._dice.random() >= epsilon:
            return replace(ranking, propensity=1 - epsilon)
        drawn = self._dice.choice(pool)
        propensity = epsilon / len(pool)
        drawn = replace(drawn, stages={**drawn.stages, EXPLORED: propensity})
        return replace(ranking, candidates=(*ranking.candidates, drawn), propensity=propensity)

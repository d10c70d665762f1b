"""Now and then a search draws which of the tools that it shows stands first: the log can then say what another order
would have come to.

The same tools are shown, so an agent that reads them all loses little. With probability epsilon the first place is
drawn evenly among those shown; the one in front has probability 1 - epsilon + epsilon / k, each other epsilon / k. Off
unless a tenant's rules say so; what the query names is never moved.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

from domain.candidates import Ranking
from index.ports import SearchRequest
from index.rerank import UNTOUCHED, is_named
from index.searcher import Searcher

FIRST = "first_place"
"""The stage of the tool that stands first, with the probability with which it does; on searches that could be drawn."""

NOTED = "retrieval"
"""A stage of the tools whose numbers the policy's stage noted; they come first. Where it noted none, nothing is drawn:
of such a search no policy could be asked what it would have done.
"""

DRAWN_BELOW = 0.5
"""Epsilon is at most a half, so that only a drawn tool has less than this probability."""


class FirstPlaceSearch:
    """A stage around a searcher, which is asked as it is wherever nothing is drawn."""

    def __init__(self, searcher: Searcher, epsilon: Callable[[str], float], dice: random.Random | None = None) -> None:
        """`epsilon`: tenant -> probability that a search draws."""
        self._searcher = searcher
        self._epsilon = epsilon
        self._dice = dice or random.SystemRandom()

    async def search(self, request: SearchRequest) -> list[Ranking]:
        rankings = await self._searcher.search(request)
        epsilon = self._epsilon(request.tenant)
        if not epsilon or request.profile in UNTOUCHED or len(rankings) > 1:
            return rankings  # of several queries nobody could say for which of them a tool was called
        return [self._drawn(ranking, epsilon) for ranking in rankings]

    def _drawn(self, ranking: Ranking, epsilon: float) -> Ranking:
        shown = ranking.candidates
        places = sum(NOTED in one.stages for one in shown)
        if places < 2 or ranking.abstained or is_named(shown[0]) or NOTED not in shown[0].stages:  # noqa: PLR2004
            return ranking
        place = self._dice.randrange(places) if self._dice.random() < epsilon else 0
        share = epsilon / places + (1 - epsilon) * (place == 0)
        first = replace(shown[place], stages={**shown[place].stages, FIRST: share})
        others = shown[:place] + shown[place + 1 :]
        return replace(ranking, candidates=(first, *others), propensity=ranking.propensity * share)

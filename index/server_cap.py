"""The cap per server: of the tools that nobody vouches for yet, one server gets few places among the first k.

It binds tools on probation or flagged alone. A cap on all would cost answers where one server holds them: of the dev
queries of toolbench and tau2 most need two or more tools of one server. And it moves back, never out: where nothing
else was found, a bound tool keeps its place, so a slot is never empty.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Protocol

from domain.candidates import Candidate, Ranking
from domain.errors import Unavailable
from index.ports import SearchRequest
from index.ranking.order import EXACT, NEAREST
from index.searcher import Searcher

MOST = 2
"""Bound tools of one server among the first k; one that the query spells out does not count."""

DEPTH = 30
"""Candidates that may take the place of bound ones."""


class Bound(Protocol):
    """Which of these tools are on probation or flagged. Raises StoreUnavailable."""

    async def __call__(self, tenant: str, tool_ids: Sequence[str], /) -> AbstractSet[str]: ...


class CappedSearch:
    """A searcher around another one. When nobody can say who is bound, all are: a cap that fails open is none."""

    def __init__(self, inner: Searcher, bound: Bound, most: int = MOST) -> None:
        self._inner = inner
        self._bound = bound
        self._most = most

    async def search(self, request: SearchRequest) -> list[Ranking]:
        """As the inner one searches, with bound tools beyond the cap behind the others."""
        rankings = await self._inner.search(replace(request, depth=max(request.depth, DEPTH)))
        found = {candidate.tool_id for one in rankings for candidate in (*one.candidates, *one.nearest)}
        try:
            bound: AbstractSet[str] = await self._bound(request.tenant, sorted(found)) if found else frozenset()
        except Unavailable:
            bound = found
        return [self._capped(one, bound, request) for one in rankings]

    def _capped(self, ranking: Ranking, bound: AbstractSet[str], request: SearchRequest) -> Ranking:
        count = len(ranking.candidates)  # not k: retrieval may have chosen fewer
        beyond = max(NEAREST, request.depth - count)
        order = capped([*ranking.candidates, *ranking.nearest], bound, self._most)
        return replace(ranking, candidates=tuple(order[:count]), nearest=tuple(order[count : count + beyond]))


def capped(order: Sequence[Candidate], bound: AbstractSet[str], most: int) -> list[Candidate]:
    """The same candidates; of each server's bound ones, those after the first `most` come last, in their order."""
    places: Counter[str] = Counter()
    kept: list[Candidate] = []
    behind: list[Candidate] = []
    for candidate in order:
        is_bound = candidate.tool_id in bound and EXACT not in candidate.stages
        places[candidate.server] += is_bound
        (behind if is_bound and places[candidate.server] > most else kept).append(candidate)
    return [*kept, *behind]

"""The case stage: what worked for needs like this one is among the candidates, with its reason, if only at the end.

An offer displaces at most one tool that retrieval found, never one that the query names; where retrieval found fewer
than were asked for it takes a free place. Implements `index.searcher.Searcher` around another one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from domain.candidates import Candidate, Ranking
from domain.experience import Offer
from domain.tools import ToolState
from gateway.use_cases.catalogue import CatalogueReader, ServedTool
from gateway.use_cases.experience import Experiences
from index.ports import SearchRequest
from index.questions.stage import NAMED
from index.searcher import Searcher

CASE, WORKED, TRIED = "case", "case_worked", "case_tried"
"""Stages of an offered candidate: the offer's value, and how often the tool worked, of how many times."""

_DISPLACES_FROM = 3
"""Asked for fewer, nothing that was found makes room."""


class CaseSearch:
    """Whatever is offered is served: what the catalogue no longer has is left out."""

    def __init__(self, inner: Searcher, experiences: Experiences, catalogue: CatalogueReader) -> None:
        self._inner = inner
        self._experiences = experiences
        self._catalogue = catalogue

    async def search(self, request: SearchRequest) -> list[Ranking]:
        """As the inner searcher, with up to two offers per query. Raises InvalidInput, IndexUnavailable."""
        rankings = await self._inner.search(request)
        offers = [self._experiences.offers(request.tenant, ranking.query) for ranking in rankings]
        wanted = [offer.tool_id for some in offers for offer in some]
        if not wanted:
            return rankings
        tools = await self._catalogue.get_many(request.tenant, wanted)
        served = {
            name: tool
            for name, tool in tools.items()
            if tool.entry.state is ToolState.ACTIVE and (not request.servers or tool.entry.server in request.servers)
        }
        return [
            _with(ranking, [(offer, served[offer.tool_id]) for offer in some if offer.tool_id in served], request.k)
            for ranking, some in zip(rankings, offers, strict=True)
        ]


def reason_of(stages: Mapping[str, float]) -> str | None:
    """Why a candidate is offered, for whoever reads the answer; None for what retrieval alone found."""
    if WORKED not in stages:  # a policy too says what the case stage gave
        return None
    return f"worked {stages[WORKED]:.0f} of {stages[TRIED]:.0f} times for similar requests"


def _with(ranking: Ranking, offers: Sequence[tuple[Offer, ServedTool]], k: int) -> Ranking:
    said = {tool.entry.tool_id: _stages(offer) for offer, tool in offers}
    candidates = [
        replace(one, stages={**one.stages, **said[one.tool_id]}) if one.tool_id in said else one
        for one in ranking.candidates
    ]
    found = {one.tool_id for one in candidates}
    coming = [(offer, tool) for offer, tool in offers if tool.entry.tool_id not in found]
    room = max(0, k - len(candidates))
    if len(coming) > room and k >= _DISPLACES_FROM and candidates and not _is_named(candidates[-1]):
        candidates.pop()
        room += 1
    least = candidates[-1].score if candidates else 0.0
    candidates += [
        Candidate(tool.entry.tool_id, tool.entry.server, min(least, offer.value) if least else offer.value, said[name])
        for offer, tool in coming[:room]
        if (name := tool.entry.tool_id)
    ]
    return replace(ranking, candidates=tuple(candidates))


def _stages(offer: Offer) -> dict[str, float]:
    return {CASE: offer.value, WORKED: float(offer.worked), TRIED: float(offer.tried)}


def _is_named(candidate: Candidate) -> bool:
    return any(stage in candidate.stages for stage in NAMED)

"""Search: queries in, ranked tools with full schemas out, the session's memory filled, the decision logged."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from domain.candidates import Candidate, Ranking
from domain.errors import InvalidInput, StoreUnavailable
from domain.events import Event, EventKind, Outcome, new_id
from domain.identity import Principal
from domain.memory import MemoryChange
from domain.sessions import Session
from domain.tools import ToolState
from gateway.event_log.journal import Journal
from gateway.freshness import Freshness
from gateway.use_cases.catalogue import CatalogueReader, ServedTool
from gateway.use_cases.memory_record import memory_record
from gateway.use_cases.sessions import Sessions
from index.calibration import MOST
from index.ports import SearchRequest
from index.searcher import Searcher

MAX_QUERIES = 16
MAX_QUERY_CHARS = 20_000
_REASON_CHARS = 120


@dataclass(frozen=True, slots=True)
class Ask:
    """One search call. `mint` opens a session when none is given (the MCP surface does). `by_turn`: no agent asks, but
    the turn of its session.
    """

    queries: tuple[str, ...]
    k: int | None = None
    session_id: str | None = None
    profile: str | None = None
    mint: bool = False
    by_turn: bool = False

    def __post_init__(self) -> None:
        if not 1 <= len(self.queries) <= MAX_QUERIES:
            raise InvalidInput(f"A search takes 1 to {MAX_QUERIES} queries, not {len(self.queries)}.")
        if any(not query.strip() for query in self.queries):
            raise InvalidInput("A query is empty; write what the tool should do in a few words.")
        if any("\ud800" <= character <= "\udfff" for query in self.queries for character in query):
            raise InvalidInput("A query is not text (it holds half of a character); send it as UTF-8.")
        if any(len(query) > MAX_QUERY_CHARS for query in self.queries):
            raise InvalidInput(f"A query is longer than {MAX_QUERY_CHARS:,} characters; ask for one need at a time.")


@dataclass(frozen=True, slots=True)
class Found:
    """One tool of an answer, with the evidence and how fresh its catalogue is."""

    tool: ServedTool
    candidate: Candidate
    last_verified: float | None  # epoch seconds


@dataclass(frozen=True, slots=True)
class Filters:
    """What a tool had to be to be found. `left_out`: tools that the index found and the record does not serve."""

    tenant: str
    servers: tuple[str, ...] = ()  # empty: all
    state: ToolState = ToolState.ACTIVE
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one query."""

    ranking: Ranking
    found: tuple[Found, ...]
    filters: Filters


@dataclass(frozen=True, slots=True)
class SearchAnswer:
    """The answer to one search call."""

    answers: tuple[Answer, ...]
    session_id: str | None = None
    memory: MemoryChange | None = None
    took_ms: float = field(default=0.0)
    step: str = ""  # its id in the event log
    session: Session | None = None

    def without(self, part: str) -> SearchAnswer:
        """The same, marked as made without a part of Toolcrib that failed."""
        marked = [replace(one.ranking, degraded=(*one.ranking.degraded, part)) for one in self.answers]
        answers = (replace(one, ranking=ranking) for one, ranking in zip(self.answers, marked, strict=True))
        return replace(self, answers=tuple(answers))

    @property
    def tools(self) -> list[ServedTool]:
        """Every tool found, once, in order of first appearance."""
        return list(
            {found.tool.entry.tool_id: found.tool for answer in self.answers for found in answer.found}.values()
        )


@dataclass(frozen=True, slots=True)
class SearchDefaults:
    """What a search gets when its caller does not say. `k`: None gives as many as stand out."""

    profile: str
    k: int | None = None


class Search:
    """The search use case. A failed stage degrades the answer and is named in it; plain retrieval always answers."""

    def __init__(
        self,
        index: Searcher,
        catalogue: CatalogueReader,
        sessions: Sessions,
        journal: Journal,
        freshness: Freshness,
        defaults: SearchDefaults,
    ) -> None:
        self._index = index
        self._catalogue = catalogue
        self._sessions = sessions
        self._journal = journal
        self._freshness = freshness
        self._defaults = defaults

    async def __call__(self, principal: Principal, ask: Ask) -> SearchAnswer:
        """Raises InvalidInput, SessionNotFound, Unavailable. While the database is away, tools that are remembered here
        are found, and the answer is marked.
        """
        started = time.perf_counter()
        session_id = ask.session_id
        session, calls_left = None, 1.0
        if session_id is not None:
            session, held = await self._sessions.glance(principal, session_id)
            calls_left = held.spent.calls_left(session.budget)
        k = self._defaults.k if ask.k is None else ask.k
        request = SearchRequest(
            tenant=principal.tenant,
            queries=ask.queries,
            k=MOST if k is None else k,
            profile=ask.profile or self._defaults.profile,
            judge=True,
            adaptive=k is None,
            session_id=session_id,
            calls_left=calls_left,
        )
        rankings = await self._index.search(request)
        answer = SearchAnswer(await self._hydrate(Filters(request.tenant, request.servers), rankings))
        memory = None
        try:
            if session is None and ask.mint:
                session = await self._sessions.open(principal)
            if session is not None:
                session_id = session.id
                answer = await self._affordable(session, answer)
                reason = f"search: {' | '.join(ask.queries)}"[:_REASON_CHARS]
                memory = await self._sessions.remember(principal, session_id, answer.tools, reason, by_turn=ask.by_turn)
        except StoreUnavailable:  # found is found; what it could not be put into is said
            answer = answer.without("memory")
        took_ms = (time.perf_counter() - started) * 1e3
        answer = replace(answer, session=session, session_id=session_id, memory=memory, took_ms=took_ms, step=new_id())
        self._journal.record_soon(partial(_event, principal, request, answer, time.time()))
        return answer

    async def _affordable(self, session: Session, answer: SearchAnswer) -> SearchAnswer:
        """Without the tools, from the first on, whose definitions the session's budget does not allow."""
        if not session.budget:
            return answer
        tools = answer.tools
        shown = {tool.entry.tool_id for tool in tools[: await self._afford(session, tools)]}
        return replace(
            answer,
            answers=tuple(
                replace(one, found=tuple(found for found in one.found if found.tool.entry.tool_id in shown))
                for one in answer.answers
            ),
        )

    async def _afford(self, session: Session, tools: Sequence[ServedTool]) -> int:
        return await self._sessions.budgets.afford(session, [tool.tokens for tool in tools])

    async def _hydrate(self, filters: Filters, rankings: Sequence[Ranking]) -> tuple[Answer, ...]:
        tenant = filters.tenant
        wanted = [candidate.tool_id for ranking in rankings for candidate in ranking.candidates]
        missing: tuple[str, ...] = ()
        try:
            tools = await self._catalogue.get_many(tenant, wanted)
        except StoreUnavailable:
            tools, missing = self._catalogue.remembered(tenant, wanted), ("store",)
            if wanted and not tools:
                raise
        # The store commits first and the index follows: what the store no longer serves is not an answer.
        served = {tool_id: tool for tool_id, tool in tools.items() if tool.entry.state is filters.state}
        return tuple(
            Answer(
                replace(ranking, degraded=(*ranking.degraded, *missing)),
                tuple(
                    Found(tool, candidate, self._freshness.last_verified(tenant, candidate.server))
                    for candidate in ranking.candidates
                    if (tool := served.get(candidate.tool_id)) is not None
                ),
                replace(filters, left_out=tuple(c.tool_id for c in ranking.candidates if c.tool_id not in served)),
            )
            for ranking in rankings
        )


def _event(principal: Principal, request: SearchRequest, answer: SearchAnswer, at: float) -> Event:
    tools = answer.tools
    return Event(
        tenant=principal.tenant,
        subject=principal.subject,
        kind=EventKind.SEARCH,
        at=at,
        session_id=answer.session_id,
        outcome=Outcome.OK if tools else Outcome.EMPTY,
        propensity=math.prod(item.ranking.propensity for item in answer.answers),
        latency_ms=answer.took_ms,
        body={
            "k": request.k,
            "profile": request.profile,
            "answers": [_answer_record(item) for item in answer.answers],
            "evicted": answer.memory.evicted if answer.memory else (),
            **({} if answer.memory is None else memory_record(answer.memory.memory, before=answer.memory)),
        },
        cost=sum(tool.tokens for tool in tools),
        id=answer.step,
    )


def _answer_record(item: Answer) -> dict[str, Any]:
    ranking = item.ranking
    return {
        "query": ranking.query,
        "abstained": ranking.abstained,
        "confidence": ranking.confidence,
        "degraded": ranking.degraded,
        "timings_ms": ranking.timings_ms,
        "candidates": [{"tool_id": c.tool_id, "score": c.score, "stages": c.stages} for c in ranking.candidates],
        "shown": [found.candidate.tool_id for found in item.found],
        "propensity": ranking.propensity,
        **({"decided_by": ranking.decided_by} if ranking.decided_by else {}),
        **({"context": ranking.context} if ranking.context or ranking.decided_by else {}),
    }

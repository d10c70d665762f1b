"""A policy in the shadow: searches are answered without it, and a moment later it decides what it would have done.

What came within that moment is decided together: one by one, decisions would be in the way of the next search.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from domain.candidates import Ranking
from domain.errors import ModelUnavailable, StoreUnavailable
from domain.events import Actor, Event, EventKind
from index.ports import SearchRequest
from policy_client.decision import Decision, Question

EVERY_S = 0.25
MOST = 256
"""Rankings whose decision is still to come; of more, the oldest are left undecided."""

Decide = Callable[[SearchRequest, Ranking], Awaitable[tuple[Question, Decision]]]


class Shadow:
    """Of one stage."""

    def __init__(self, decide: Decide, record: Callable[[Event], object]) -> None:
        """`record`: takes the event of a decision that changed nothing."""
        self._decide = decide
        self._record = record
        self._waiting: deque[tuple[SearchRequest, Ranking]] = deque(maxlen=MOST)
        self._task: asyncio.Task[None] | None = None

    def take(self, request: SearchRequest, rankings: Sequence[Ranking]) -> None:
        """Never waits."""
        self._waiting.extend((request, ranking) for ranking in rankings)
        if self._task is None:
            self._task = asyncio.create_task(self._follow())

    async def aclose(self) -> None:
        """Give up what nobody waits for."""
        self._waiting.clear()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _follow(self) -> None:
        try:
            while self._waiting:
                await asyncio.sleep(EVERY_S)
                taken = list(self._waiting)
                self._waiting.clear()
                await asyncio.gather(*(self._one(request, ranking) for request, ranking in taken))
        finally:
            self._task = None

    async def _one(self, request: SearchRequest, ranking: Ranking) -> None:
        began = time.perf_counter()
        try:
            question, decision = await self._decide(request, ranking)
        except (ModelUnavailable, StoreUnavailable):
            return  # the states of the back-ends say why
        self._record(_event(request, ranking, question, decision, (time.perf_counter() - began) * 1e3))


def _event(request: SearchRequest, ranking: Ranking, question: Question, decision: Decision, took_ms: float) -> Event:
    return Event(
        tenant=request.tenant,
        subject="policy",
        kind=EventKind.DECISION,
        at=time.time(),
        session_id=request.session_id,
        actor=Actor.POLICY,
        latency_ms=took_ms,
        body={
            "query": ranking.query,
            "retrieval": [one.tool_id for one in ranking.candidates],
            "policy": list(decision.order[: len(ranking.candidates)]),
            "need": decision.need,
            "next": decision.next,
            "context": question.context,
            "decided_by": f"{decision.backend} {decision.version}",
        },
    )

"""The fast path of a search: where sessions of the tenant go on alike, the next tool is first and no policy asked.

It orders and, where retrieval did not find the tool, adds it in the last place's stead; it calls nothing. What the
query names stays on top. Learnt from the log in the background, per tenant, and off with `TOOLCRIB_INERTIA=false`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from domain.candidates import Candidate, Ranking
from domain.errors import ToolcribError
from domain.events import Outcome
from domain.tools import ToolState
from gateway.policy.situations import Situation
from gateway.recorded_steps import BEFORE, RecordedSteps, situation
from gateway.use_cases.catalogue import CatalogueReader, ServedTool
from index.ports import SearchRequest
from index.rerank import is_named
from policy_client.next_tool.inertia import Guess, Inertia

STAGE = "inertia"
"""The stage of a tool that was put first, with the graph's probability."""

REFRESH_S = 60.0
GROWTH = 1.1
"""Learnt anew when so many times the calls are recorded."""

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Learnt:
    inertia: Inertia
    calls: int


@dataclass(slots=True)
class FastPathCounts:
    """Since the start: searches in sessions that had called something, and of these the ones answered here."""

    asked: int = 0
    answered: int = 0


@dataclass(slots=True)
class FastPath:
    """Of all tenants. `steps`: what the log says of a tenant, without waiting."""

    steps: Callable[[], Mapping[str, RecordedSteps]]
    catalogue: CatalogueReader
    counts: FastPathCounts = field(default_factory=FastPathCounts)
    _learnt: dict[str, _Learnt] = field(default_factory=dict)

    def is_ready(self, tenant: str) -> bool:
        """Whether it may answer anything of this tenant."""
        learnt = self._learnt.get(tenant)
        return learnt is not None and learnt.inertia.threshold <= 1.0

    async def first(self, request: SearchRequest, ranking: Ranking, known: Situation) -> Ranking | None:
        """The ranking with the next tool first; None where the policy has to be asked. After a failure nothing is sure:
        the graph knows how sessions go on when all goes well.
        """
        learnt = self._learnt.get(request.tenant)
        if learnt is None or not known.calls:
            return None
        self.counts.asked += 1
        if known.calls[-1][1] != Outcome.OK:
            return None
        inertia = learnt.inertia
        guess = _guess(inertia, ranking, known)
        if guess is None:
            return None
        tool_id = inertia.tools.ids[guess.tool]
        tool = (await self.catalogue.get_many(request.tenant, [tool_id])).get(tool_id)
        if tool is None or tool.entry.state is not ToolState.ACTIVE or not ranking.candidates:
            return None
        self.counts.answered += 1
        return _with_first(ranking, tool, guess.confidence, len(ranking.candidates))

    async def run(self) -> None:
        """Learn now and whenever enough is new, until cancelled."""
        while True:
            try:
                await self.learn()
            except ToolcribError as error:
                logger.warning("How sessions go on is not learnt for now: %s", error.message)
            await asyncio.sleep(REFRESH_S)

    async def learn(self) -> None:
        """From what is recorded of every tenant. Raises StoreUnavailable."""
        for tenant, steps in list(self.steps().items()):
            learnt = self._learnt.get(tenant)
            if learnt is not None and steps.calls < GROWTH * learnt.calls:
                continue
            served = await self.catalogue.get_many(tenant, sorted(steps.called))
            table = steps.table({name: tool.entry.server for name, tool in served.items()})
            if len(table):
                inertia = await asyncio.to_thread(Inertia.fit, steps.examples(table), table)
                self._learnt[tenant] = _Learnt(inertia, steps.calls)

    def threshold(self, tenant: str) -> float | None:
        """The confidence from which it answers; None where nothing is learnt."""
        learnt = self._learnt.get(tenant)
        return learnt.inertia.threshold if learnt is not None and self.is_ready(tenant) else None


def _guess(inertia: Inertia, ranking: Ranking, known: Situation) -> Guess | None:
    numbers = {tool_id: number for number, tool_id in enumerate(inertia.tools.ids)}
    history = [numbers[tool_id] for tool_id, _ in known.calls if tool_id in numbers]
    scores = {one.tool_id: one.score for one in ranking.candidates}  # what the log keeps, from which was learnt
    return inertia.guess(situation(inertia.tools, scores, history, is_new=known.is_new(ranking.query)))


def _with_first(ranking: Ranking, tool: ServedTool, confidence: float, count: int) -> Ranking:
    entry = tool.entry
    found = [*ranking.candidates, *ranking.nearest]
    own = next((one for one in found if one.tool_id == entry.tool_id), None)
    before = own.score if own is not None else 0.0
    best = max(one.score for one in ranking.candidates)
    stages = {**(own.stages if own is not None else {}), BEFORE: before, STAGE: confidence}
    first = Candidate(entry.tool_id, entry.server, max(best, before), stages)
    others = [one for one in found if one.tool_id != entry.tool_id]
    named = [one for one in others if is_named(one)]
    order: Sequence[Candidate] = [*named, first, *(one for one in others if not is_named(one))]
    return replace(
        ranking, candidates=tuple(order[:count]), nearest=tuple(order[count:]), decided_by=f"inertia {confidence:.3f}"
    )

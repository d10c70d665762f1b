"""Learns questions from use: a search whose tool was then called, and answered well, is a question of that tool.

Reads the event log behind a cursor of its own and writes to the store, whose change log takes the questions to the
indexes. Only tenants that agreed are read. What is kept of a query is what `index.questions.redaction` leaves of it.
Refuses to know: agents, HTTP, the index.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Sequence

from domain.errors import ToolcribError
from domain.events import Event, EventKind, Outcome
from domain.questions import Question, QuestionSource
from index.questions.redaction import learnable
from store.events import LoggedEvent
from store.store import Store

BATCH = 500
EVERY_S = 60.0
TIDY_EVERY = 60
"""Rounds between two looks for questions that age has made worthless."""

_log = logging.getLogger(__name__)


class UsageLearner:
    """`learn` does the work; `run` is the task that repeats it."""

    def __init__(
        self,
        store: Store,
        tenants: Collection[str],
        on_learnt: Callable[[], None],
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`tenants`: those that agreed to it; `on_learnt` is told when an index has something to follow."""
        self._store = store
        self._tenants = tenants
        self._on_learnt = on_learnt
        self._sleep = sleep

    async def learn(self) -> int:
        """Read what was logged since; returns how many questions are new. Raises StoreUnavailable, StorageFull."""
        return sum([await self._of(tenant) for tenant in self._tenants])

    async def tidy(self) -> int:
        """Forget what age has made worthless; returns how many. Raises StoreUnavailable, StorageFull."""
        return await self._store.questions.forget(time.time())

    async def run(self) -> None:
        """Learn now and every EVERY_S, until cancelled. Failures are logged and tried again."""
        turn = 0
        while True:
            try:
                changed = await self.learn() + (await self.tidy() if turn % TIDY_EVERY == 0 else 0)
                if changed:
                    self._on_learnt()
            except ToolcribError as error:
                _log.warning("Questions are not learnt from usage: %s", error.message)
            turn += 1
            await self._sleep(EVERY_S)

    async def _of(self, tenant: str) -> int:
        name, new = f"usage:{tenant}", 0
        cursor = await self._store.changes.cursor(name)
        while events := await self._store.events.read(tenant, after=cursor, limit=BATCH):
            new += await self._store.questions.add(tenant, await self._asked(tenant, events))
            cursor = events[-1].seq
            # Behind the questions: a crash in between counts a few uses twice, and loses none.
            await self._store.changes.advance(name, cursor)
        return new

    async def _asked(self, tenant: str, events: Sequence[LoggedEvent]) -> dict[str, list[Question]]:
        """Questions by tool id."""
        sessions: dict[str, list[LoggedEvent]] = {}
        found: dict[str, list[Question]] = {}
        for logged in events:
            call = logged.event
            if call.kind is not EventKind.CALL or call.outcome is not Outcome.OK or call.session_id is None:
                continue
            if call.session_id not in sessions:
                sessions[call.session_id] = await self._store.events.read(tenant, session_id=call.session_id)
            tool_id = str(call.body["tool_id"])
            query = _query_for(tool_id, [one.event for one in sessions[call.session_id] if one.seq < logged.seq])
            text = None if query is None else learnable(query)
            if text is not None:
                found.setdefault(tool_id, []).append(Question(text, QuestionSource.USAGE, 1.0, call.at))
        return found


def _query_for(tool_id: str, before: Sequence[Event]) -> str | None:
    """The last query that showed the tool, unless the tool was called since: a need counts once.

    Where one search asked several queries that showed it, the one that ranked it highest asked for it.
    """
    for event in reversed(before):
        if event.kind is EventKind.CALL and event.outcome is Outcome.OK and event.body.get("tool_id") == tool_id:
            return None
        if event.kind is EventKind.SEARCH:
            shown = [
                (answer["shown"].index(tool_id), answer["query"])
                for answer in event.body["answers"]
                if tool_id in answer["shown"]
            ]
            if shown:
                return str(min(shown)[1])
    return None

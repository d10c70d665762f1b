"""What the log says tools need first, for `index.dependencies`: read in the background, asked without waiting."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict, defaultdict

from domain.errors import Unavailable
from index.dependencies import ToolGraph
from store.events import EventRepository

logger = logging.getLogger(__name__)

REFRESH_S = 300.0

SESSIONS = 2000
"""Of one tenant, the latest: what tools need changes with the servers, and memory is bounded."""

TOOLS = 64
"""Of one session, the first."""

_PAGE = 1000
_NOTHING = ToolGraph()


class RecordedSessions:
    """One per process; every tenant has a graph of its own sessions, and of nobody else's."""

    def __init__(self, events: EventRepository) -> None:
        self._events = events
        self._read_to: dict[str, int] = {}
        self._sessions: dict[str, OrderedDict[str, list[str]]] = defaultdict(OrderedDict)
        self._graphs: dict[str, ToolGraph] = {}

    def graph(self, tenant: str) -> ToolGraph:
        """As it was when the log was last read."""
        return self._graphs.get(tenant, _NOTHING)

    async def run(self) -> None:
        """Read on every few minutes, until cancelled. A store that is away leaves the graphs as they are."""
        while True:
            try:
                await self.read()
            except Unavailable as error:
                logger.warning("What tools need was not read from the log: %s", error.message)
            await asyncio.sleep(REFRESH_S)

    async def read(self) -> None:
        """Follow the log to its end. Raises StoreUnavailable."""
        for tenant in await self._events.tenants():
            if await self._follow(tenant):
                self._graphs[tenant] = ToolGraph.of_sessions(self._sessions[tenant].values())

    async def _follow(self, tenant: str) -> bool:
        sessions = self._sessions[tenant]
        is_new = False
        while calls := await self._events.session_calls(tenant, after=self._read_to.get(tenant, 0), limit=_PAGE):
            is_new = True
            self._read_to[tenant] = calls[-1].seq
            for call in calls:
                tools = sessions.setdefault(call.session_id, [])
                if call.tool_id not in tools and len(tools) < TOOLS:
                    tools.append(call.tool_id)
            while len(sessions) > SESSIONS:
                sessions.popitem(last=False)
        return is_new

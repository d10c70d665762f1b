"""One sync per server at a time; requests that wait share the next one; and who may list next, over all servers.

A request that arrives while a sync runs may know of a change that the running listing missed, so it gets another;
one that arrives while that other still waits has nothing to add and joins it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from weakref import WeakValueDictionary

from domain.catalogue import SyncRun

_log = logging.getLogger(__name__)

MAX_CONCURRENT = 32
"""Listings in flight over all servers: enough to hide slow ones, too few for a herd."""

MAX_UNDER_WAY = 256
"""Servers between the moment their row is read and the commit: enough to share reads and transactions, few enough that
what was read is still true."""

MAX_CHILDREN = 8
"""Of those, servers that are processes of this machine: few enough for a laptop."""


@dataclass(frozen=True, slots=True)
class SyncRequest:
    """What was asked for. `trigger` is for the history, `full` accepts a mass removal, `child`: it is our process."""

    tenant: str
    slug: str
    trigger: str
    full: bool = False
    child: bool = False

    @property
    def is_news(self) -> bool:
        """Whether somebody knows that there is something to find: such a sync does not wait for a round of polls."""
        return self.trigger not in {"start", "poll"}


@dataclass(slots=True)
class _Waiting:
    request: SyncRequest
    task: asyncio.Task[SyncRun]


class SyncLanes:
    """Runs `job` for each request, or for several at once. Callers may be cancelled; jobs run to their end."""

    def __init__(self, job: Callable[[SyncRequest], Coroutine[Any, Any, SyncRun]]) -> None:
        self._job = job
        self._locks: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()
        self._waiting: dict[tuple[str, str], _Waiting] = {}
        self._tasks: set[asyncio.Task[SyncRun]] = set()

    async def run(self, request: SyncRequest) -> SyncRun:
        """The run that answers this request: its own, or one that had not begun when it came."""
        key = (request.tenant, request.slug)
        waiting = self._waiting.get(key)
        if waiting is None:
            waiting = self._waiting[key] = _Waiting(request, asyncio.create_task(self._turn(key)))
            self._tasks.add(waiting.task)
            waiting.task.add_done_callback(self._ended)
        elif request.full and not waiting.request.full:
            waiting.request = request
        return await asyncio.shield(waiting.task)

    async def close(self) -> None:
        """Stop what runs and what waits. What a sync committed stays; the index heals on the next start."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, task: asyncio.Task[SyncRun]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.debug("A sync ended without a run: %s", error)  # its caller heard it, unless it has gone away

    async def _turn(self, key: tuple[str, str]) -> SyncRun:
        lock = self._locks.get(key)
        if lock is None:
            lock = self._locks[key] = asyncio.Lock()
        async with lock:
            return await self._job(self._waiting.pop(key).request)


class Places:
    """So many at a time. Two lines wait, news and routine, and take turns: neither waits for all of the other."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._lines: tuple[deque[asyncio.Future[None]], ...] = (deque(), deque())
        self._turn = 0

    @asynccontextmanager
    async def place(self, *, news: bool) -> AsyncIterator[None]:
        await self._enter(self._lines[not news])
        try:
            yield
        finally:
            self._leave()

    async def _enter(self, line: deque[asyncio.Future[None]]) -> None:
        if self._free and not any(self._lines):
            self._free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        line.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn in line:
                line.remove(turn)
            elif not turn.cancelled():
                self._leave()  # given up in the moment it was given a place
            raise

    def _leave(self) -> None:
        while any(self._lines):
            self._turn = not self._turn if self._lines[not self._turn] else self._turn
            turn = self._lines[self._turn].popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1

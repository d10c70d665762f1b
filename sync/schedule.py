"""Decides when servers are synced: at the start, by a jittered poll, and when they say that their tools changed.

Refuses to know: what a sync does, and the clock; sleeping and chance are given.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from domain.catalogue import SyncRun
from domain.errors import ToolcribError
from domain.servers import UpstreamServer

_log = logging.getLogger(__name__)

Key = tuple[str, str]


class Syncs(Protocol):
    """The part of SyncEngine that is needed here."""

    async def sync_server(self, tenant: str, slug: str, trigger: str, *, full: bool = False) -> SyncRun: ...


@dataclass(frozen=True, slots=True)
class Pace:
    """How often. Seconds; `jitter` is the share by which each poll may be earlier. None is later: what a server does
    not announce is found within `poll_s`.

    A server that says how long its list is good for is polled after that time, within bounds around `poll_s`: none
    can have us ask it without pause, or leave it alone for good.
    """

    poll_s: float = 300.0
    soonest: float = 0.2  # of poll_s
    latest: float = 2.0  # times poll_s; a connection that was closed as idle meanwhile hears of no change
    failing: float = (
        4.0  # times poll_s at most, for a server whose polls fail: from the third in a row each pause is twice the last
    )
    jitter: float = 0.2
    window_s: float = 5.0  # after a push, further ones within this time become one
    lookout_s: float = 30.0  # how soon a server that was added or enabled is polled

    def until_next(self, ttl_s: float | None, failures: int = 0) -> float:
        """Before jitter. Zero is how servers say that nothing should be cached: of polls it says nothing. `failures`:
        polls in a row that failed.
        """
        if failures:
            return self.poll_s * min(2.0 ** max(failures - 2, 0), self.failing)
        if not ttl_s:
            return self.poll_s
        return min(max(ttl_s, self.soonest * self.poll_s), self.latest * self.poll_s)


class SyncSchedule:
    """Starts syncs; `run` until cancelled. `changed` may be called at any time from the event loop."""

    def __init__(
        self,
        syncs: Syncs,
        servers: Callable[[], Awaitable[Sequence[UpstreamServer]]],
        pace: Pace | None = None,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._syncs = syncs
        self._servers = servers
        self._pace = pace or Pace()
        self._sleep = sleep
        self._chance = chance
        self._polls: dict[Key, asyncio.Task[None]] = {}
        self._pushed: dict[Key, bool] = {}  # servers inside a window -> whether another push came
        self._tasks: set[asyncio.Task[None]] = set()

    def changed(self, tenant: str, slug: str) -> None:
        """A server said that its tools changed: sync at once, and fold what follows within the window into one more."""
        key = (tenant, slug)
        if key in self._pushed:
            self._pushed[key] = True
            return
        self._pushed[key] = False
        self._spawn(self._window(key))

    async def run(self) -> None:
        """Sync every enabled server, then keep polling them, following what is added, enabled, disabled, removed."""
        trigger: str | None = "start"
        try:
            while True:
                try:
                    self._follow(await self._servers(), trigger)
                    trigger = None
                except ToolcribError as error:
                    _log.warning("The list of servers cannot be read, so polling goes on with the last one: %s", error)
                await self._sleep(self._pace.lookout_s)
        finally:
            await self.close()

    async def close(self) -> None:
        """Stop polling and waiting; syncs under way belong to the engine."""
        tasks = [*self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _follow(self, servers: Sequence[UpstreamServer], trigger: str | None) -> None:
        enabled = {(server.tenant, server.slug) for server in servers if server.enabled}
        for key, task in list(self._polls.items()):
            if key not in enabled or task.done():  # a poll ends only by a bug: begin it anew
                self._polls.pop(key).cancel()
        for key in sorted(enabled - self._polls.keys()):
            self._polls[key] = self._spawn(self._poll(key, trigger))

    async def _poll(self, key: Key, trigger: str | None) -> None:
        ttl_s, failures = None, 0
        if trigger is not None:
            ttl_s, failures = await self._sync(key, trigger, failures)
        while True:
            pause = self._pace.until_next(ttl_s, failures)
            await self._sleep(pause * (1 - self._pace.jitter * self._chance()))
            ttl_s, failures = await self._sync(key, "poll", failures)

    async def _window(self, key: Key) -> None:
        while True:
            self._spawn(self._pushed_sync(key))
            await self._sleep(self._pace.window_s)
            if not self._pushed[key]:
                del self._pushed[key]
                return
            self._pushed[key] = False

    async def _pushed_sync(self, key: Key) -> None:
        await self._sync(key, "list_changed")

    async def _sync(self, key: Key, trigger: str, failures: int = 0) -> tuple[float | None, int]:
        """For how long the server wants its list to be trusted, None when it did not say; and how many syncs in a row
        have failed now, of which `failures` came before.
        """
        try:
            run = await self._syncs.sync_server(*key, trigger)
        except ToolcribError as error:
            _log.warning("Server %r was not synced (%s): %s", key[1], trigger, error)
            return None, failures + 1
        if run.error is not None:
            _log.warning("Sync of server %r failed (%s): %s", key[1], trigger, run.error)
            return None, failures + 1
        return run.ttl_s, 0

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

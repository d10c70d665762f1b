"""Keeps one slow server from holding more of us than its share."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager

from domain.errors import Overloaded
from servers.limits import Caps

RETRY_AFTER_S = 1.0


class Bulkhead:
    """So many requests at once, so many in line behind them; the next one is refused (R6)."""

    def __init__(self, slug: str, caps: Caps) -> None:
        self._slug = slug
        self._places = asyncio.Semaphore(caps.in_flight)
        self._queue = caps.queued
        self._waiting = 0

    def place(self) -> AbstractAsyncContextManager[None]:
        """Hold a place, waiting for one in order of arrival. Raises Overloaded when the line is full."""
        return _Place(self)

    async def enter(self) -> None:
        """Take a place; `leave` gives it back."""
        if not self._places.locked():
            await self._places.acquire()  # returns at once
            return
        if self._waiting >= self._queue:
            raise Overloaded(
                f"Server {self._slug!r} has {self._queue} requests in line already; try again in a second.",
                retry_after_s=RETRY_AFTER_S,
            )
        self._waiting += 1
        try:
            await self._places.acquire()
        finally:
            self._waiting -= 1

    def leave(self) -> None:
        self._places.release()


class _Place(AbstractAsyncContextManager[None]):
    """A class of its own: every call goes through one, and a generator costs several times as much."""

    def __init__(self, bulkhead: Bulkhead) -> None:
        self._bulkhead = bulkhead

    async def __aenter__(self) -> None:
        await self._bulkhead.enter()

    async def __aexit__(self, *_failure: object) -> None:
        self._bulkhead.leave()

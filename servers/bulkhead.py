"""Keeps one slow server from holding more of us than its share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

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

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Hold a place, waiting for one in order of arrival. Raises Overloaded when the line is full."""
        if self._places.locked() and self._waiting >= self._queue:
            raise Overloaded(
                f"Server {self._slug!r} has {self._queue} requests in line already; try again in a second.",
                retry_after_s=RETRY_AFTER_S,
            )
        self._waiting += 1
        try:
            await self._places.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._places.release()

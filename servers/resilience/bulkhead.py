"""Keeps one slow server from holding more of us than its share."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import AbstractAsyncContextManager

from domain.errors import Overloaded
from servers.limits import Caps

RETRY_AFTER_S = 1.0


class Bulkhead:
    """So many requests at once, so many in line behind them; the next one is refused (R6)."""

    def __init__(self, slug: str, caps: Caps, most: int | None = None) -> None:
        """`most` at once, where fewer than usual are possible."""
        self._slug = slug
        self._free = (
            caps.in_flight if most is None else min(most, caps.in_flight)
        )  # while somebody waits there is none: a place goes from hand to hand
        self._queue = caps.queued
        self._line: deque[asyncio.Future[None]] = deque()

    def place(self) -> AbstractAsyncContextManager[None]:
        """Hold a place, waiting for one in order of arrival. Raises Overloaded when the line is full."""
        return _Place(self)

    async def enter(self) -> None:
        """Take a place; `leave` gives it back."""
        if self._free:
            self._free -= 1
            return
        if len(self._line) >= self._queue:
            raise Overloaded(
                f"Server {self._slug!r} has {self._queue} requests in line already; try again in a second.",
                retry_after_s=RETRY_AFTER_S,
            )
        turn = asyncio.get_running_loop().create_future()
        self._line.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn in self._line:
                self._line.remove(turn)
            elif not turn.cancelled():
                self.leave()  # given up in the moment it was given a place
            raise

    def leave(self) -> None:
        for _ in range(len(self._line)):
            turn = self._line.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


class _Place(AbstractAsyncContextManager[None]):
    """A class of its own: every call goes through one, and a generator costs several times as much."""

    def __init__(self, bulkhead: Bulkhead) -> None:
        self._bulkhead = bulkhead

    async def __aenter__(self) -> None:
        await self._bulkhead.enter()

    async def __aexit__(self, *_failure: object) -> None:
        self._bulkhead.leave()

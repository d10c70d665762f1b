"""A timer that is put off far more often than it goes off: it looks when it wakes whether it was meant to."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable


class LazyTimer:
    """Putting it off writes a number; a timer of the loop for every request costs as much as parsing one."""

    def __init__(self, loop: asyncio.AbstractEventLoop, then: Callable[[], None]) -> None:
        self._loop = loop
        self._then = then
        self._due = math.inf
        self._wakes = math.inf
        self._handle: asyncio.TimerHandle | None = None

    def set_for(self, seconds: float) -> None:
        """Go off once, so many seconds from now, in place of whatever it was set for."""
        self._due = self._loop.time() + seconds
        if self._due < self._wakes:
            self._wake_at(self._due)

    def put_off(self) -> None:
        """Not to go off until it is set again."""
        self._due = math.inf

    def cancel(self) -> None:
        """For good: nothing of it is left in the loop."""
        self._due = math.inf
        if self._handle is not None:
            self._handle.cancel()

    def _wake_at(self, when: float) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._wakes = when
        self._handle = self._loop.call_at(when, self._wake)

    def _wake(self) -> None:
        self._handle, self._wakes = None, math.inf
        if self._due == math.inf:
            return
        if self._loop.time() < self._due:
            self._wake_at(self._due)
            return
        self._due = math.inf
        self._then()

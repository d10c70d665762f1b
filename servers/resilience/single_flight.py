"""One piece of work at a time; whoever asks for it meanwhile shares its outcome."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """The work runs in a task of its own and is cancelled when nobody waits for it any more."""

    def __init__(self) -> None:
        self._task: asyncio.Task[T] | None = None
        self._waiting = 0

    async def run(self, work: Callable[[], Awaitable[T]]) -> T:
        """The outcome of `work`, or of the one under way. Raises what it raises."""

        async def flight() -> T:
            return await work()

        if self._task is None:
            self._task = asyncio.create_task(flight())
            self._task.add_done_callback(self._landed)
        task = self._task
        self._waiting += 1
        try:
            return await asyncio.shield(task)
        finally:
            if task is self._task:
                self._waiting -= 1
                if not self._waiting:
                    self._task = None
                    task.cancel()

    def _landed(self, task: asyncio.Task[T]) -> None:
        if self._task is task:
            self._task = None
            self._waiting = 0
        if not task.cancelled():
            task.exception()  # every waiter may have gone: it is not an error that nobody asks for it

"""Does for many callers at once what each of them asked for alone.

Thousands of syncs side by side each want a few small reads and writes. What comes while one batch is under way is the
next one: somebody alone waits for no company, and a crowd costs a few round trips. Refuses to know: the database.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from domain.errors import ToolcribError

T = TypeVar("T")
R = TypeVar("R")

MOST = 200


@dataclass(slots=True)
class _Batch(Generic[T, R]):
    items: list[T] = field(default_factory=list)
    task: asyncio.Task[Sequence[R | ToolcribError]] | None = None


class Batches(Generic[T, R]):
    """`work` is given one or more items, in the order they came, and returns a result for each: an error is its own
    item's, an exception is everybody's. One batch at a time, and unless it is full none begins within `apart_s` after
    the one before began: of work that nobody is in a hurry for, a stream that trickles in costs few round trips too.
    """

    def __init__(
        self,
        work: Callable[[Sequence[T]], Awaitable[Sequence[R | ToolcribError]]],
        most: int = MOST,
        apart_s: float = 0.0,
    ) -> None:
        self._work = work
        self._most = most
        self._apart_s = apart_s
        self._begun_at = -math.inf
        self._turn = asyncio.Lock()
        self._open: _Batch[T, R] | None = None
        self._tasks: set[asyncio.Task[Sequence[R | ToolcribError]]] = set()

    async def do(self, item: T) -> R:
        """The result for this item. A caller that is cancelled does not cancel the batch."""
        batch = self._open or self._begun()
        place = len(batch.items)
        batch.items.append(item)
        if len(batch.items) >= self._most:
            self._open = None
        assert batch.task is not None
        result = (await asyncio.shield(batch.task))[place]
        if isinstance(result, ToolcribError):
            raise result
        return result

    async def close(self) -> None:
        """Wait for what is under way."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begun(self) -> _Batch[T, R]:
        batch: _Batch[T, R] = _Batch()
        batch.task = asyncio.create_task(self._go(batch))
        self._tasks.add(batch.task)
        batch.task.add_done_callback(self._ended)
        self._open = batch
        return batch

    async def _go(self, batch: _Batch[T, R]) -> Sequence[R | ToolcribError]:
        async with self._turn:
            await self._gather(batch)
            if self._open is batch:
                self._open = None
            return await self._work(batch.items)

    async def _gather(self, batch: _Batch[T, R]) -> None:
        """Give others the time to join."""
        clock = asyncio.get_running_loop().time
        left = self._begun_at + self._apart_s - clock()
        if left > 0 and self._open is batch:
            await asyncio.sleep(left)
        self._begun_at = clock()

    def _ended(self, task: asyncio.Task[Sequence[R | ToolcribError]]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # every caller may have gone: it is not an error that nobody asks for it

"""Questions of callers that come together are answered together: what comes while a batch runs makes the next one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from domain.errors import ToolcribError

Asked = TypeVar("Asked")
Answered = TypeVar("Answered")

MOST = 64
"""Questions of one batch."""


class Batches(Generic[Asked, Answered]):
    """One batch at a time, of at most `most`; nobody waits for company, so a single question is answered at once."""

    def __init__(self, run: Callable[[Sequence[Asked]], Awaitable[Sequence[Answered]]], *, most: int = MOST) -> None:
        """`run` answers a batch in its order; what it raises, all of the batch are told."""
        self._run = run
        self._most = most
        self._waiting: list[tuple[Asked, asyncio.Future[Answered]]] = []
        self._task: asyncio.Task[None] | None = None
        self.sizes: list[int] = []  # of the last batches, for `/metrics`

    async def answer(self, asked: Asked) -> Answered:
        """A caller that gives up takes nobody's answer away."""
        future: asyncio.Future[Answered] = asyncio.get_running_loop().create_future()
        self._waiting.append((asked, future))
        if self._task is None:
            self._task = asyncio.create_task(self._work())
        return await future

    async def aclose(self) -> None:
        """Give up what is under way."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        for _, future in self._waiting:
            future.cancel()

    async def _work(self) -> None:
        await asyncio.sleep(0)  # whoever asks in the same turn of the loop comes along
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
                self.sizes = [*self.sizes[-99:], len(batch)]
                await self._answer(batch)
        finally:
            self._task = None

    async def _answer(self, batch: Sequence[tuple[Asked, asyncio.Future[Answered]]]) -> None:
        waiting = [future for _, future in batch]
        try:
            answers = await self._run([asked for asked, _ in batch])
            for future, answer in zip(waiting, answers, strict=True):
                if not future.done():  # its caller may have gone
                    future.set_result(answer)
        except ToolcribError as error:
            for future in waiting:
                if not future.done():
                    future.set_exception(error)
        finally:  # also when this task is cancelled, or meets an error that nobody foresaw
            for future in waiting:
                future.cancel()

"""Tells a database that is slow from one that is gone without a word: a cable pulled, a host frozen.

TCP does not notice for minutes, and no deadline for statements fits both a lookup and a commit of thousands of tools.
So what takes long is waited for as long as a new connection is answered meanwhile, and given up when none is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.errors import StoreUnavailable

T = TypeVar("T")

SLOW_S = 2.0
"""After so long, and again after as much more, it is asked whether anybody is there."""

WITHIN_S = 2.0
"""To open a connection and ask it the least there is."""

SILENT = "The database says nothing any more, not even to a new connection; try again shortly."


class Pulse:
    """One database's. Its engine opens a connection for every question: an open one proves nothing."""

    def __init__(self, engine: AsyncEngine, slow_s: float = SLOW_S, within_s: float = WITHIN_S) -> None:
        self._engine = engine
        self._slow_s = slow_s
        self._within_s = within_s
        self._asking: asyncio.Task[bool] | None = None
        self._given_up: set[asyncio.Task[Any]] = set()

    async def answered(self, work: asyncio.Task[T], on_silence: Callable[[str], None]) -> T:
        """What `work` comes to. Raises StoreUnavailable, and cancels it, once the database is silent; a caller who is
        cancelled does not cancel it.
        """
        try:
            while not (await asyncio.wait({work}, timeout=self._slow_s))[0]:
                if not await self._beats() and not work.done():
                    self._give_up(work)
                    on_silence(SILENT)
                    raise StoreUnavailable(SILENT)
        except asyncio.CancelledError:
            work.add_done_callback(self._cleaned_up)
            raise
        return work.result()

    async def close(self) -> None:
        await self._engine.dispose()

    async def _beats(self) -> bool:
        """Whoever asks meanwhile shares the answer."""
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask())
            self._asking.add_done_callback(self._asked)
        return await asyncio.shield(self._asking)

    def _asked(self, _task: asyncio.Task[bool]) -> None:
        self._asking = None

    async def _ask(self) -> bool:
        """An error is an answer too, unless it says that nobody was reached."""
        question = asyncio.create_task(self._question())
        if not (await asyncio.wait({question}, timeout=self._within_s))[0]:
            self._give_up(question)
            return False
        return not isinstance(question.exception(), OSError)  # a TimeoutError is one

    async def _question(self) -> None:
        async with self._engine.connect() as connection:
            await connection.execute(text("SELECT 1"))

    def _give_up(self, task: asyncio.Task[Any]) -> None:
        """It cleans up behind itself for as long as that takes."""
        task.cancel()
        self._given_up.add(task)
        task.add_done_callback(self._cleaned_up)

    def _cleaned_up(self, task: asyncio.Task[Any]) -> None:
        self._given_up.discard(task)
        if not task.cancelled():
            task.exception()  # nobody waits for it

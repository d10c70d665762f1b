"""Texts of callers that come together go to the model together; while it works, the next batch gathers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

Vectors = list[list[float]]
Ask = Callable[[list[str]], Awaitable[Vectors]]


@dataclass(slots=True)
class _Batch:
    """Texts that go together, and the request that takes them, once there is a free place for it."""

    texts: list[str] = field(default_factory=list)
    request: asyncio.Task[Vectors] | None = None


class Gathering:
    """Batches of at most `size` texts, at most `in_flight` of them at a time; a caller's texts stay together.

    A job of thousands of texts goes through its own batches one after the other, so that a query that comes meanwhile
    waits for one of them at most.
    """

    def __init__(self, ask: Ask, *, size: int, in_flight: int) -> None:
        self._ask = ask
        self._size = size
        self._slots = asyncio.Semaphore(in_flight)
        self._gathering = _Batch()
        self._running: set[asyncio.Task[Vectors]] = set()

    async def vectors(self, texts: Sequence[str]) -> Vectors:
        """One vector per text, in their order. Raises what the model raises, to all who shared the request."""
        found: Vectors = []
        for start in range(0, len(texts), self._size):
            found += await self._together(list(texts[start : start + self._size]))
        return found

    async def aclose(self) -> None:
        """Give up what is under way."""
        running = list(self._running)
        for request in running:
            request.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _together(self, texts: list[str]) -> Vectors:
        if len(self._gathering.texts) + len(texts) > self._size:
            self._gathering = _Batch()
        batch = self._gathering
        start = len(batch.texts)
        batch.texts += texts
        if batch.request is None:
            batch.request = asyncio.create_task(self._send(batch))
            self._running.add(batch.request)
            batch.request.add_done_callback(self._ended)
        # Shielded: whoever gives up does not take the answer away from the others.
        return (await asyncio.shield(batch.request))[start : start + len(texts)]

    async def _send(self, batch: _Batch) -> Vectors:
        async with self._slots:
            if self._gathering is batch:
                self._gathering = _Batch()  # closed: the next texts gather anew
            return await self._ask(batch.texts)

    def _ended(self, request: asyncio.Task[Vectors]) -> None:
        self._running.discard(request)
        if not request.cancelled():
            request.exception()  # every waiter may have gone: it is not an error that nobody asks for it

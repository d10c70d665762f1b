"""Embed once, ever: texts whose vector is known are not embedded again.

Documents go through the VectorCache port (content hash, shared by everybody); queries through a small LRU in this
process, where equal queries that arrive together wait for one embedding.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from domain.canonical import sha256_hex
from domain.circuit import Circuit, Patience
from domain.errors import EmbedderUnavailable
from index.embedders.vectors import require_shape, usable_rows
from index.ports import Embedder, Matrix, VectorCache

Vector = npt.NDArray[np.float32]

CHUNK = 256
"""Texts embedded between two writes to the cache: a crash in a long first sync loses a few seconds' work at most."""


@dataclass(frozen=True, slots=True)
class Counters:
    """Distinct texts since the start: through the model, and known already. `fresh` are those of one call that went
    through the model, and of no sum.
    """

    embedded: int = 0
    cached: int = 0
    fresh: frozenset[str] = field(default=frozenset(), compare=False, repr=False)

    def plus(self, other: Counters) -> Counters:
        return Counters(self.embedded + other.embedded, self.cached + other.cached)


class CachingEmbedder:
    """Vectors by content in front of an embedder. `counters` is what "a second sync embeds nothing" is asserted on."""

    def __init__(self, embedder: Embedder, cache: VectorCache) -> None:
        self._embedder = embedder
        self._cache = cache
        self.counters = Counters()

    def key(self, text: str) -> str:
        """The cache key: everything the vector depends on, and nothing else."""
        return f"{self._embedder.version}:{sha256_hex(text)}"

    async def embed(self, texts: Sequence[str]) -> tuple[Matrix, Counters]:
        """Shape (len(texts), dimension), in the order given, and what this call cost. Equal texts are embedded once.

        A cached vector of another dimension counts as unknown.
        """
        keys = [self.key(text) for text in texts]
        by_key = dict(zip(keys, texts, strict=True))
        known = {
            key: vector
            for key, vector in (await self._cache.get_many(list(by_key))).items()
            if vector.shape == (self._embedder.dimension,)
        }
        missing = [key for key in by_key if key not in known]
        for start in range(0, len(missing), CHUNK):
            chunk = missing[start : start + CHUNK]
            vectors = await self._embedder.embed([by_key[key] for key in chunk])
            require_shape(vectors, len(chunk), self._embedder.dimension, self._embedder.version)
            fresh = dict(zip(chunk, vectors, strict=True))
            usable = dict(zip(chunk, usable_rows(vectors), strict=True))
            # What is no vector is handed on, to be refused by name; kept, it would outlive the fault of the model.
            await self._cache.put_many({key: vector for key, vector in fresh.items() if usable[key]})
            known.update(fresh)
        through = frozenset(by_key[key] for key in missing)
        spent = Counters(embedded=len(missing), cached=len(by_key) - len(missing), fresh=through)
        self.counters = self.counters.plus(spent)
        if not keys:
            return np.zeros((0, self._embedder.dimension), dtype=np.float32), spent
        return np.stack([known[key] for key in keys]).astype(np.float32, copy=False), spent


class QueryEmbedder:
    """The last `capacity` query vectors, and one embedding for equal queries under way at the same time.

    With a deadline, which only a model elsewhere needs, one that keeps missing it is left alone for a while: a search
    by words alone now is worth more than the same one later.
    """

    def __init__(self, embedder: Embedder, capacity: int = 4096, *, deadline_s: float | None = None) -> None:
        self._embedder = embedder
        self._capacity = capacity
        self._deadline_s = deadline_s
        self._circuit = Circuit(Patience(failures=3))
        self._known: OrderedDict[str, Vector] = OrderedDict()
        self._running: dict[str, asyncio.Task[dict[str, Vector]]] = {}

    async def embed(self, texts: Sequence[str]) -> Matrix:
        """Shape (len(texts), dimension). What is not known yet goes to the model in one batch.

        Raises EmbedderUnavailable, also when the deadline passes. A caller that is cancelled does not cancel the
        embedding: another may wait for the same text.
        """
        found = {text: self._known[text] for text in texts if text in self._known}
        for text in found:
            self._known.move_to_end(text)
        waiting = {text: self._running[text] for text in texts if text not in found and text in self._running}
        missing = [text for text in dict.fromkeys(texts) if text not in found and text not in waiting]
        if missing:
            self._admit()
            task = asyncio.create_task(self._embed(missing))
            for text in missing:
                self._running[text] = waiting[text] = task
            task.add_done_callback(lambda done: self._finished(missing, done))
        found |= await self._in_time(list(dict.fromkeys(waiting.values())))
        return np.stack([found[text] for text in texts]) if texts else self._empty()

    async def close(self) -> None:
        """Give up what is under way: a model elsewhere may take long to say that it is not there."""
        running = set(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _admit(self) -> None:
        wait_s = self._circuit.admit() if self._deadline_s is not None else None
        if wait_s is not None:
            raise EmbedderUnavailable(
                f"The embedding model keeps failing and is left alone for a moment: {self._circuit.last_failure}",
                retry_after_s=wait_s,
            )

    async def _in_time(self, tasks: Sequence[asyncio.Task[dict[str, Vector]]]) -> dict[str, Vector]:
        """What the tasks find. A task that is late goes on, for whoever asks for the same text next."""
        found: dict[str, Vector] = {}
        try:
            async with asyncio.timeout(self._deadline_s):
                for task in tasks:
                    found.update(await asyncio.shield(task))
        except TimeoutError:
            late = f"The embedding model did not answer within {self._deadline_s:g} s."
            self._circuit.failed(late)
            raise EmbedderUnavailable(late) from None
        return found

    async def _embed(self, texts: list[str]) -> dict[str, Vector]:
        vectors = await self._embedder.embed(texts)
        require_shape(vectors, len(texts), self._embedder.dimension, self._embedder.version)
        return dict(zip(texts, vectors, strict=True))

    def _finished(self, texts: list[str], task: asyncio.Task[dict[str, Vector]]) -> None:
        for text in texts:
            del self._running[text]
        error = None if task.cancelled() else task.exception()
        if task.cancelled():
            self._circuit.gave_no_verdict()
            return
        if error is not None:
            self._circuit.failed(str(error))
            return  # whoever waits gets the error; the next caller tries again
        self._circuit.succeeded()
        self._known.update(task.result())
        while len(self._known) > self._capacity:
            self._known.popitem(last=False)

    def _empty(self) -> Matrix:
        return np.zeros((0, self._embedder.dimension), dtype=np.float32)

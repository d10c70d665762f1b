"""Embed once, ever: counted on an embedder that keeps a list of what it was asked."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pytest

from domain.errors import EmbedderUnavailable
from index.embedders.caching import CHUNK, CachingEmbedder, Counters, QueryEmbedder
from index.embedders.fake import HashingEmbedder
from index.ports import Matrix

pytestmark = pytest.mark.anyio


class DictCache:
    def __init__(self) -> None:
        self.vectors: dict[str, npt.NDArray[np.float32]] = {}

    async def get_many(self, keys: Sequence[str]) -> dict[str, npt.NDArray[np.float32]]:
        return {key: self.vectors[key] for key in keys if key in self.vectors}

    async def put_many(self, vectors: Mapping[str, npt.NDArray[np.float32]]) -> None:
        self.vectors.update(vectors)


class Listening(HashingEmbedder):
    """Waits at a gate when there is one, fails when told to."""

    def __init__(self, dimension: int = 64) -> None:
        super().__init__(dimension)
        self.asked: list[list[str]] = []
        self.gate: asyncio.Event | None = None
        self.fails = False
        self._heard = asyncio.Event()

    async def asked_often(self, times: int) -> None:
        while len(self.asked) < times:
            self._heard.clear()
            await self._heard.wait()

    async def embed(self, texts: Sequence[str]) -> Matrix:
        self.asked.append(list(texts))
        self._heard.set()
        if self.gate is not None:
            await self.gate.wait()  # opened by the test when everybody has asked
        if self.fails:
            raise EmbedderUnavailable
        return await super().embed(texts)


async def test_known_and_equal_texts_are_not_embedded() -> None:
    model, cache = Listening(), DictCache()
    caching = CachingEmbedder(model, cache)
    first, cost = await caching.embed(["a", "b", "a"])
    assert (cost, model.asked) == (Counters(2, 0), [["a", "b"]])
    np.testing.assert_array_equal(first[0], first[2])
    second, cost = await CachingEmbedder(model, cache).embed(["b", "c", "a"])
    assert (cost, model.asked[1:]) == (Counters(1, 2), [["c"]])
    np.testing.assert_array_equal(second[0], first[1])
    assert (await caching.embed([]))[0].shape == (0, 64)
    assert caching.counters == Counters(2, 0)


async def test_another_model_and_a_vector_of_another_dimension_are_unknown() -> None:
    cache = DictCache()
    await CachingEmbedder(Listening(64), cache).embed(["a"])
    other = Listening(32)
    caching = CachingEmbedder(other, cache)
    cache.vectors[caching.key("b")] = np.zeros(7, dtype=np.float32)
    vectors, cost = await caching.embed(["a", "b"])
    assert (vectors.shape, cost) == ((2, 32), Counters(2, 0))


async def test_a_long_job_is_written_down_as_it_goes() -> None:
    model, cache = Listening(), DictCache()
    await CachingEmbedder(model, cache).embed([f"text {n}" for n in range(CHUNK + 1)])
    assert [len(batch) for batch in model.asked] == [CHUNK, 1]
    assert len(cache.vectors) == CHUNK + 1


async def test_equal_queries_at_the_same_time_wait_for_one_embedding() -> None:
    model = Listening()
    model.gate = asyncio.Event()
    queries = QueryEmbedder(model)
    waiting = [asyncio.create_task(queries.embed(["same", f"own {n}"])) for n in range(20)]
    await model.asked_often(20)
    waiting[0].cancel()
    model.gate.set()
    answers = await asyncio.gather(*waiting[1:])
    assert sum(batch.count("same") for batch in model.asked) == 1
    for answer in answers:
        np.testing.assert_array_equal(answer[0], answers[0][0])
    await queries.embed(["same"])
    assert len(model.asked) == 20
    await queries.close()


async def test_a_failed_query_is_tried_again_by_the_next_caller() -> None:
    model = Listening()
    model.fails = True
    queries = QueryEmbedder(model)
    with pytest.raises(EmbedderUnavailable):
        await queries.embed(["a"])
    model.fails = False
    assert (await queries.embed(["a"])).shape == (1, 64)


async def test_the_oldest_queries_are_forgotten_first() -> None:
    model = Listening()
    queries = QueryEmbedder(model, capacity=2)
    for text in ("a", "b", "a", "c", "a", "b"):
        await queries.embed([text])
    assert model.asked == [["a"], ["b"], ["c"], ["b"]]


async def test_a_model_that_gives_too_few_rows_is_refused() -> None:
    class Short(HashingEmbedder):
        async def embed(self, texts: Sequence[str]) -> Matrix:
            return (await super().embed(texts))[:-1]

    with pytest.raises(EmbedderUnavailable, match="shape"):
        await QueryEmbedder(Short()).embed(["a", "b"])

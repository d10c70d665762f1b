"""An embedding model elsewhere: away, late, or giving what are no vectors."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence

import numpy as np
import pytest

from domain.errors import EmbedderUnavailable, ModelUnavailable
from index.embedders.absent import AbsentEmbedder
from index.embedders.caching import QueryEmbedder
from index.embedders.fake import HashingEmbedder
from index.embedders.remote import BATCH, RemoteEmbedder
from index.ports import Matrix

pytestmark = pytest.mark.anyio


class Source:
    """Answers with the rows it is given, or with the lengths of the texts; fails while `away` says why."""

    def __init__(self, rows: list[list[float]] | None = None) -> None:
        self.rows = rows
        self.away: str | None = None
        self.asked: list[list[str]] = []
        self.closed = False

    async def vectors(self, texts: Sequence[str]) -> list[list[float]]:
        self.asked.append(list(texts))
        if self.away is not None:
            raise ModelUnavailable(self.away, retry_after_s=7)
        return self.rows if self.rows is not None else [[float(len(text)), 1.0] for text in texts]

    async def aclose(self) -> None:
        self.closed = True


async def test_a_model_that_was_never_there_cannot_be_opened_and_one_that_was_can() -> None:
    source = Source()
    source.away = "The model is away."
    with pytest.raises(EmbedderUnavailable, match="away"):
        await RemoteEmbedder.open(source, "m")
    assert source.closed
    known = await RemoteEmbedder.open(source, "m", dimension=2)
    assert known.version == "m:2:p1"
    with pytest.raises(EmbedderUnavailable, match="away"):
        await known.embed(["a"])
    source.away = None
    assert (await RemoteEmbedder.open(source, "m")).version == known.version
    assert (await known.embed(["a"])).shape == (1, 2)


async def test_texts_go_in_batches_of_similar_length_and_come_back_in_order() -> None:
    source = Source()
    embedder = await RemoteEmbedder.open(source, "m")
    texts = ["x" * (1 + 37 * n % 100) for n in range(2 * BATCH)]
    vectors = await embedder.embed(texts)
    np.testing.assert_allclose(vectors[:, 0] / vectors[:, 1], [len(text) for text in texts], rtol=1e-5)
    short, long = source.asked[1:]
    assert max(map(len, short)) <= min(map(len, long))


@pytest.mark.parametrize("row", [[math.nan, 1.0], [0.0, 0.0], [math.inf, 1.0], [1.0], [1.0, 2.0, 3.0]])
async def test_a_vector_that_is_none_is_refused_before_it_is_stored(row: list[float]) -> None:
    embedder = RemoteEmbedder(Source([row]), "m", 2)
    with pytest.raises(EmbedderUnavailable):
        await embedder.embed(["a"])


async def test_a_model_that_was_exchanged_for_one_of_another_dimension_is_noticed() -> None:
    source = Source()
    embedder = await RemoteEmbedder.open(source, "m", dimension=9)
    assert embedder.dimension == 2
    source.rows = [[1.0, 2.0, 3.0]]
    with pytest.raises(EmbedderUnavailable, match="shape"):
        await embedder.embed(["a"])


async def test_an_absent_model_says_what_it_was() -> None:
    absent = AbsentEmbedder("old:3", 3)
    with pytest.raises(EmbedderUnavailable, match="old:3"):
        await absent.embed(["a"])
    await absent.close()


class Hanging(HashingEmbedder):
    """Answers when the gate opens."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.asked = 0

    async def embed(self, texts: Sequence[str]) -> Matrix:
        self.asked += 1
        await self.gate.wait()
        return await super().embed(texts)


async def test_a_late_model_costs_a_few_searches_their_patience_and_then_none() -> None:
    model = Hanging()
    queries = QueryEmbedder(model, deadline_s=0.01)
    for number in range(3):
        with pytest.raises(EmbedderUnavailable, match="within"):
            await queries.embed([f"query {number}"])
    with pytest.raises(EmbedderUnavailable, match="left alone") as raised:
        await queries.embed(["another"])
    assert raised.value.retry_after_s is not None
    assert model.asked == 3
    model.gate.set()
    await asyncio.gather(*queries._running.values())  # what was late has come: the model is back
    await asyncio.sleep(0)
    assert (await queries.embed(["query 0", "another"])).shape == (2, 64)

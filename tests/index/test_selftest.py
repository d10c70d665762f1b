"""The self-test: a model or an engine that does not do its work is found out, and what was there before stays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from domain.errors import IndexSelfTestFailed
from index.embedders.fake import HashingEmbedder
from index.engines.memory import MemoryEngine
from index.ports import Filter, Hit, Leg, Matrix, Point, SearchRequest
from index.tool_index import ToolIndex
from tests.index.samples import TENANT, document
from tests.index.test_caching import DictCache

pytestmark = pytest.mark.anyio

OLD = [document(f"s__tool_{word}", f"Does {word}.") for word in ("alpha", "beta", "gamma")]
NEW = [replace(document(one.tool_id, f"Now does {one.tool_id} otherwise."), semantic_hash="new") for one in OLD]


class Broken(HashingEmbedder):
    """A model that stops doing its work in one of several ways."""

    fault = ""

    async def embed(self, texts: Sequence[str]) -> Matrix:
        vectors = await super().embed(texts)
        if self.fault == "constant":
            vectors[:] = vectors[0]
        elif self.fault:
            vectors[-1] = {"nan": np.nan, "zero": 0.0}[self.fault]
        return vectors


class Forgetful(MemoryEngine):
    """An engine that says that it stored what it did not."""

    fault = ""

    async def upsert(self, points: Sequence[Point]) -> None:
        if self.fault == "lost":
            return
        if self.fault == "zeroed":
            points = [
                replace(one, dense={name: np.zeros_like(vector) for name, vector in one.dense.items()})
                for one in points
            ]
        await super().upsert(points)

    async def search(self, legs: Sequence[Leg], where: Filter) -> list[list[Hit]]:
        return [[] for _ in legs] if self.fault == "blind" else await super().search(legs, where)


async def found(index: ToolIndex, query: str) -> list[str]:
    [ranking] = await index.search(SearchRequest(TENANT, (query,), 3))
    return [candidate.tool_id for candidate in ranking.candidates]


@pytest.mark.parametrize("fault", ["nan", "zero", "constant"])
async def test_a_model_that_gives_no_good_vectors_replaces_nothing(fault: str) -> None:
    model, engine = Broken(), MemoryEngine()
    index = ToolIndex(model, DictCache(), engine)
    await index.upsert(OLD)
    before = await engine.inventory()
    model.fault = fault

    with pytest.raises(IndexSelfTestFailed) as caught:
        await index.upsert(NEW)
    model.fault = ""

    assert caught.value.servers == {(TENANT, OLD[0].server)}
    assert await engine.inventory() == before
    assert (await found(index, "does beta"))[0] == "s__tool_beta"
    await index.upsert(NEW)  # the fault is over, and nothing of it was kept
    assert set((await engine.inventory()).values()) == {"new"}


@pytest.mark.parametrize("fault", ["lost", "zeroed", "blind"])
async def test_an_engine_that_did_not_store_what_it_was_given_is_found_out(fault: str) -> None:
    engine = Forgetful()
    index = ToolIndex(HashingEmbedder(), DictCache(), engine)
    engine.fault = fault

    with pytest.raises(IndexSelfTestFailed, match="self-test of the index failed"):
        await index.upsert(OLD)
    engine.fault = ""
    await index.upsert(OLD)

    assert (await found(index, "does beta"))[0] == "s__tool_beta"


async def test_many_tools_that_say_the_same_are_no_fault() -> None:
    same = [document(f"s__tool_{n}", "Does it.") for n in range(200)]
    same = [replace(one, text=same[0].text) for one in same]
    index = ToolIndex(HashingEmbedder(), DictCache(), MemoryEngine())

    assert (await index.upsert(same)).documents == 200

"""Vectors by content."""

from __future__ import annotations

import numpy as np
import pytest

from store.store import Store

pytestmark = pytest.mark.anyio


async def test_vectors_come_back_bit_for_bit(store: Store) -> None:
    vectors = {f"m:{n}": np.random.default_rng(n).normal(size=384).astype(np.float32) for n in range(3)}

    await store.vectors.put_many(vectors)
    found = await store.vectors.get_many([*vectors, "unknown"])

    assert set(found) == set(vectors)
    for key, vector in vectors.items():
        assert found[key].dtype == np.float32
        np.testing.assert_array_equal(found[key], vector)


async def test_a_known_vector_is_never_replaced(store: Store) -> None:
    await store.vectors.put_many({"k": np.ones(4, dtype=np.float32)})
    await store.vectors.put_many({"k": np.zeros(4, dtype=np.float32), "new": np.zeros(4, dtype=np.float32)})

    assert (await store.vectors.get_many(["k"]))["k"].tolist() == [1, 1, 1, 1]
    assert set(await store.vectors.get_many(["k", "new"])) == {"k", "new"}


async def test_more_keys_than_a_statement_holds(store: Store) -> None:
    vectors = {f"k{n}": np.full(2, n, dtype=np.float32) for n in range(40_000)}

    await store.vectors.put_many(dict(list(vectors.items())[:3000]))

    assert len(await store.vectors.get_many(list(vectors))) == 3000


async def test_nothing_asked_for_is_nothing_done(store: Store) -> None:
    await store.vectors.put_many({})

    assert await store.vectors.get_many([]) == {}

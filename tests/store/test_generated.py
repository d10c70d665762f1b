"""What language models wrote."""

from __future__ import annotations

import pytest

from store.store import Store

pytestmark = pytest.mark.anyio


async def test_texts_come_back_for_their_tenant_alone(store: Store) -> None:
    await store.generated.put("acme", "m:1:a", ("one \ud800", "two"))
    await store.generated.put("acme", "m:1:b", ())

    assert await store.generated.get_many("acme", ["m:1:a", "m:1:b", "m:1:c"]) == {
        "m:1:a": ("one \ud800", "two"),
        "m:1:b": (),
    }
    assert await store.generated.get_many("other", ["m:1:a"]) == {}


async def test_what_is_kept_is_not_replaced(store: Store) -> None:
    await store.generated.put("acme", "k", ("first",))
    await store.generated.put("acme", "k", ("second",))

    assert await store.generated.get_many("acme", ["k", "k"]) == {"k": ("first",)}

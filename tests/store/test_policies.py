"""Kept policies and their moves on both databases."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from domain.errors import Conflict
from domain.policy_moves import MoveKind, PolicyMode, PolicyMove
from store.store import Store
from tests.store.making import NOW, TENANT

pytestmark = pytest.mark.anyio

FIRST = PolicyMove(TENANT, 1, NOW, "ada", MoveKind.PROMOTION, "scorer:1", PolicyMode.CANARY, 0.2, {"searches": 7})


async def test_moves_come_back_as_they_were_in_their_order_and_by_tenant(store: Store) -> None:
    second = replace(FIRST, number=2, kind=MoveKind.AUTOMATIC_ROLLBACK, version="", mode=PolicyMode.OFF, restores=1)
    first = replace(FIRST, reason="tried")
    other = replace(first, tenant="other")
    for move in (first, other, second):
        await store.policies.add(move)

    assert await store.policies.moves(TENANT) == [first, second]
    assert set(map(repr, await store.policies.moves())) == {repr(one) for one in (first, second, other)}


async def test_of_two_moves_with_one_number_the_second_is_refused(store: Store) -> None:
    move = replace(FIRST, reason="")
    done = await asyncio.gather(*(store.policies.add(move) for _ in range(2)), return_exceptions=True)

    assert [type(one) for one in done if one is not None] == [Conflict]
    assert await store.policies.moves(TENANT) == [move]


async def test_a_version_s_files_are_kept_once_and_are_of_one_tenant(store: Store) -> None:
    files = {"policy.onnx": bytes(range(256)), "manifest.json": b"{}"}
    await store.policies.keep(TENANT, "scorer:1", files)
    await store.policies.keep(TENANT, "scorer:1", files)

    assert await store.policies.files(TENANT, "scorer:1") == files
    assert await store.policies.versions(TENANT) == ["scorer:1"]
    assert await store.policies.files("other", "scorer:1") == {}

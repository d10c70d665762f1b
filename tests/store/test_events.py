"""The append-only log of events."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from domain.errors import InvalidInput
from domain.events import Event, EventKind, Outcome, Versions
from store.store import Store
from tests.store.making import NOW, TENANT

pytestmark = pytest.mark.anyio

EVENT = Event(
    tenant=TENANT,
    subject="local",
    kind=EventKind.CALL,
    at=NOW,
    session_id="s_1",
    parent_id="p",
    outcome=Outcome.TOOL_ERROR,
    propensity=0.25,
    latency_ms=1.5,
    versions=Versions("c", "i", "p", "q"),
    body={"z": 1, "a": ["\0", {"deep": None}]},
    id="e1",
)


async def test_events_come_back_whole_and_in_order(store: Store) -> None:
    bare = Event(TENANT, "local", EventKind.SEARCH, NOW)

    await store.events.append([EVENT, bare])

    logged = await store.events.read(TENANT)
    assert [(entry.seq, entry.event) for entry in logged] == [(1, EVENT), (2, bare)]


async def test_a_batch_sent_twice_is_logged_once(store: Store) -> None:
    await store.events.append([EVENT])
    await store.events.append([EVENT, replace(EVENT, id="e2")])

    assert [entry.event.id for entry in await store.events.read(TENANT)] == ["e1", "e2"]


async def test_reading_goes_on_behind_a_number_within_a_session_and_a_tenant(store: Store) -> None:
    await store.events.append([replace(EVENT, id=str(n), session_id=f"s_{n % 2}") for n in range(6)])
    await store.events.append([replace(EVENT, id="0", tenant="other")])

    assert [entry.event.id for entry in await store.events.read(TENANT, after=4)] == ["4", "5"]
    assert [entry.event.id for entry in await store.events.read(TENANT, session_id="s_1", limit=2)] == ["1", "3"]
    assert [entry.event.tenant for entry in await store.events.read("other")] == ["other"]


async def test_concurrent_batches_are_numbered_without_loss(store: Store) -> None:
    await asyncio.gather(
        *(store.events.append([replace(EVENT, id=f"{batch}-{n}") for n in range(20)]) for batch in range(10))
    )

    logged = await store.events.read(TENANT)
    assert [entry.seq for entry in logged] == list(range(1, 201))
    for batch in range(10):
        ids = [entry.event.id for entry in logged if entry.event.id.startswith(f"{batch}-")]
        assert ids == [f"{batch}-{n}" for n in range(20)]


async def test_an_empty_batch_is_nothing(store: Store) -> None:
    await store.events.append([])

    assert await store.events.read(TENANT) == []


async def test_what_json_cannot_hold_is_refused_before_anything_is_written(store: Store) -> None:
    with pytest.raises(InvalidInput, match="cannot be stored as JSON"):
        await store.events.append([EVENT, replace(EVENT, id="e2", body={"score": float("nan")})])

    assert await store.events.read(TENANT) == []

"""Changes of a memory: one statement each, none lost between gateways, an expiry that moves within its bound."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Executable, insert, update
from sqlalchemy.engine import make_url

from domain.errors import SessionNotFound
from domain.memory import MemoryChange, ToolMemory
from domain.memory_turns import begin_turn, due
from domain.sessions import LIFETIMES, MemoryMode, PrunerKind, Session, SessionLimits
from store.store import Store
from store.tables import SESSIONS
from tests.store.making import NOW, TENANT, a_memory, a_session, an_entry
from tests.store.round_trips import counted

pytestmark = pytest.mark.anyio


async def add(store: Store, *names: str, session_id: str = "s_1", now: float = NOW) -> MemoryChange:
    return await store.sessions.update_memory(
        TENANT, "local", session_id, lambda held: held.add(an_entry(name) for name in names), now
    )


async def test_a_session_comes_back_with_its_own_bounds(store: Store) -> None:
    limits = SessionLimits(40, max_tokens=900, idle_turns=7, high_water=0.9, low_water=0.1)
    session = replace(a_session(), mode=MemoryMode.CACHE_AWARE, limits=limits, ttl_s=12.5, pruner=PrunerKind.LLM)
    memory = ToolMemory(limits, session.mode).add([an_entry("a"), an_entry("b")]).memory.remove(["a"]).memory
    memory = begin_turn(memory.used("b", NOW), ["a"], announced=True).memory
    await store.sessions.create(session, memory)

    assert await store.sessions.get(TENANT, "local", "s_1", NOW) == (session, memory)
    assert list(memory.folded) == ["a"]


async def test_a_session_of_the_version_before_is_read_and_changed(store: Store) -> None:
    row = {
        "tenant": TENANT, "id": "s_old", "subject": "local", "mode": "lru", "max_tools": 2, "created_at": NOW,
        "expires_at": NOW + 60,
        "memory": '{"v":1,"reasons":["call"],"tools":[["a",0,1.0,100,2.0,3,1]]}',
    }  # fmt: skip
    await store.sessions._database.transaction(lambda connection: connection.execute(insert(SESSIONS).values(row)))

    session, memory = await store.sessions.get(TENANT, None, "s_old", NOW)
    change = await add(store, "b", session_id="s_old")

    assert (memory.entries["a"].uses, memory.entries["a"].pinned, memory.turn) == (3, True, 0)
    assert session.limits.max_tools == 1 + MemoryMode.LRU.system_tools
    assert change.refused == ("b",)


async def test_every_use_moves_the_expiry_up_to_a_bound(store: Store) -> None:
    session = replace(a_session(), ttl_s=100.0, expires_at=NOW + 100)
    await store.sessions.create(session, a_memory())
    expiries = []
    for step in range(1, LIFETIMES + 10):
        now = min(NOW + 90.0 * step, NOW + LIFETIMES * 100 - 1)
        await add(store, f"t{step}", now=now)
        expiries.append((await store.sessions.get(TENANT, "local", "s_1", now))[0].expires_at)

    assert expiries[0] == NOW + 190
    assert max(expiries) == NOW + LIFETIMES * 100
    with pytest.raises(SessionNotFound):
        await add(store, "late", now=NOW + LIFETIMES * 100)


async def test_a_look_does_not_move_the_expiry(store: Store) -> None:
    await store.sessions.create(a_session(), a_memory())
    await store.sessions.update_memory(TENANT, "local", "s_1", MemoryChange, NOW + 3000)
    assert (await store.sessions.get(TENANT, "local", "s_1", NOW + 3001))[0].expires_at == a_session().expires_at


async def test_a_gateway_that_saw_an_older_memory_looks_again(store: Store, store_url: str) -> None:
    other = await Store.open(store_url)
    await store.sessions.create(a_session(), a_memory())
    for n in range(5):
        await add(store, f"one{n}")
        await add(other, f"two{n}")
    for gateway in (store, other):
        held = (await gateway.sessions.get(TENANT, "local", "s_1", NOW))[1]
        assert len(held) == 10
    await other.close()


async def test_an_unchanged_memory_is_compared_with_the_store_before_it_is_told(store: Store, store_url: str) -> None:
    other = await Store.open(store_url)
    await store.sessions.create(a_session(), a_memory("a"))
    await other.sessions.update_memory(TENANT, None, "s_1", lambda held: held.remove(["a"]), NOW)

    change = await store.sessions.update_memory(TENANT, None, "s_1", lambda held: held.add([]), NOW)

    assert len(change.memory) == 0
    await other.close()


async def test_where_others_are_always_quicker_everybodys_turn_comes(store: Store) -> None:
    await store.sessions.create(a_session(), a_memory())
    asked = 0

    async def overtake() -> None:
        overtaking = update(SESSIONS).values(version=SESSIONS.c.version + 1)
        await store.sessions._database.transaction(lambda connection: connection.execute(overtaking))

    quick = store.sessions._database.quick

    async def overtaken(statement: Executable, values: Mapping[str, Any]) -> int:
        nonlocal asked
        asked += 1
        await overtake()
        return await quick(statement, values)

    store.sessions._database.quick = overtaken  # type: ignore[method-assign]  # a gateway that is too late
    change = await add(store, "a")

    assert asked > 1
    assert list((await store.sessions.get(TENANT, None, "s_1", NOW))[1].entries) == list(change.memory.entries) == ["a"]


async def test_what_is_remembered_is_nobody_elses_and_not_for_longer_than_the_session(store: Store) -> None:
    await store.sessions.create(a_session(), a_memory("a"))
    known = await store.sessions.known(TENANT, "local", "s_1", NOW)
    assert (
        known
        == await store.sessions.known(TENANT, None, "s_1", NOW)
        == await store.sessions.get(TENANT, None, "s_1", NOW)
    )
    for tenant, subject, now in ((TENANT, "other", NOW), ("other", "local", NOW), (TENANT, "local", NOW + 3600)):
        with pytest.raises(SessionNotFound):
            await store.sessions.known(tenant, subject, "s_1", now)
    await store.sessions.forget(TENANT, "local", "s_1", NOW)
    with pytest.raises(SessionNotFound):
        await store.sessions.known(TENANT, "local", "s_1", NOW)


@pytest.mark.parametrize("mode", [MemoryMode.LRU, MemoryMode.HYBRID])
async def test_random_turns_through_two_gateways_stay_within_every_bound(
    store: Store, store_url: str, mode: MemoryMode
) -> None:
    other = await Store.open(store_url)
    limits = SessionLimits(8, max_tokens=450)
    session = Session(TENANT, "s_1", "local", mode, limits, NOW, NOW + 3600)
    await store.sessions.create(session, ToolMemory(limits, mode).add([an_entry("kept")]).memory.pin(["kept"]))
    dice = random.Random(7)

    async def turn(gateway: Store) -> None:
        names = dice.sample([f"t{n}" for n in range(12)], 4)
        for fn in (
            lambda held: begin_turn(held, due(held, names)),
            lambda held: held.add(an_entry(name) for name in names),
            lambda held: MemoryChange(held.used(names[0], NOW)),
        ):
            change = await gateway.sessions.update_memory(TENANT, "local", "s_1", fn, NOW)
            assert len(change.memory) <= 5
            assert change.memory.tokens <= 450
            assert "kept" in change.memory.entries

    await asyncio.gather(*(turn(gateway) for _ in range(15) for gateway in (store, other)))

    assert (await store.sessions.get(TENANT, None, "s_1", NOW))[1].turn == 30
    await other.close()


async def test_a_memory_survives_a_restart(store: Store, store_url: str) -> None:
    await store.sessions.create(a_session(), a_memory())
    change = await add(store, "a", "b")
    await store.close()

    again = await Store.open(store_url)

    assert (await again.sessions.get(TENANT, "local", "s_1", NOW))[1] == change.memory
    await again.close()


async def test_an_operation_on_postgresql_is_one_round_trip(postgres_url: str) -> None:
    url = make_url(postgres_url)
    async with counted(url.host or "127.0.0.1", url.port or 5432) as trips:
        store = await Store.open(url.set(host="127.0.0.1", port=trips.port).render_as_string(hide_password=False))
        await store.sessions.create(a_session(), a_memory())
        await add(store, "warm")
        counts = []
        for operation in (
            lambda held: held.add([an_entry("a"), an_entry("b")]),
            lambda held: MemoryChange(held.used("a", NOW)),
            lambda held: begin_turn(held, ["b"]),
            lambda held: held.remove(["a"]),
        ):
            trips.count = 0
            await store.sessions.update_memory(TENANT, "local", "s_1", operation, NOW)
            counts.append(trips.count)
        trips.count = 0
        await store.sessions.known(TENANT, "local", "s_1", NOW)
        counts.append(trips.count)
        await store.close()
    assert counts == [1, 1, 1, 1, 0]


async def test_a_change_does_not_wait_for_the_disk_of_postgresql(postgres_url: str) -> None:
    store = await Store.open(postgres_url)
    quick = store.sessions._database._quick
    assert quick is not None
    async with quick.connect() as connection:
        assert (await connection.exec_driver_sql("SHOW synchronous_commit")).scalar_one() == "off"
    await store.close()


async def test_a_connection_that_died_is_replaced_without_a_failed_operation(postgres_url: str) -> None:
    store = await Store.open(postgres_url)
    await store.sessions.create(a_session(), a_memory())
    await add(store, "a")
    async with store.sessions._database._engine.connect() as connection:
        await connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    assert list((await add(store, "b")).memory.entries) == ["a", "b"]
    await store.close()

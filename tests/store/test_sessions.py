"""Sessions and their tool memory."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from domain.errors import Conflict, SessionNotFound
from domain.memory import MemoryChange, ToolMemory
from domain.memory_entries import MemoryEntry
from domain.sessions import MemoryMode, SessionLimits
from store.memory_json import decode_memory, encode_memory
from store.store import Store
from store.tables import SESSIONS
from tests.store.making import NOW, TENANT, a_memory, a_session, an_entry

pytestmark = pytest.mark.anyio


async def test_a_session_comes_back_with_its_memory(store: Store) -> None:
    session = replace(a_session(), mode=MemoryMode.AUTONOMOUS, limits=SessionLimits(7))
    memory = ToolMemory(session.limits, session.mode, a_memory("b", "a").pin(["a"]).used("b", NOW + 1).entries)

    await store.sessions.create(session, memory)
    found, held = await store.sessions.get(TENANT, "local", "s_1", NOW)

    assert (found, held) == (session, memory)
    assert list(held.entries) == ["b", "a"]


async def test_an_id_is_given_once(store: Store) -> None:
    await store.sessions.create(a_session(), a_memory())

    with pytest.raises(Conflict):
        await store.sessions.create(a_session(subject="thief"), a_memory())


async def test_unknown_expired_and_foreign_sessions_look_alike(store: Store) -> None:
    await store.sessions.create(a_session(), a_memory())
    messages = set()

    for tenant, subject, session_id, now in (
        (TENANT, "local", "s_2", NOW),
        (TENANT, "local", "s_1", NOW + 3600),
        (TENANT, "other", "s_1", NOW),
        ("other", "local", "s_1", NOW),
    ):
        with pytest.raises(SessionNotFound) as got:
            await store.sessions.get(tenant, subject, session_id, now)
        with pytest.raises(SessionNotFound) as updated:
            await store.sessions.update_memory(tenant, subject, session_id, MemoryChange, now)
        with pytest.raises(SessionNotFound) as forgotten:
            await store.sessions.forget(tenant, subject, session_id, now)
        messages |= {got.value.message, updated.value.message, forgotten.value.message}

    assert len(messages) == 1
    assert (await store.sessions.get(TENANT, None, "s_1", NOW))[0] == a_session()


async def test_concurrent_turns_on_one_session_lose_nothing(store: Store) -> None:
    await store.sessions.create(a_session(), a_memory())

    async def turn(n: int) -> MemoryChange:
        return await store.sessions.update_memory(
            TENANT, "local", "s_1", lambda held: held.add([an_entry(f"t{n}")]), NOW
        )

    changes = await asyncio.gather(*(turn(n) for n in range(50)))

    _, held = await store.sessions.get(TENANT, "local", "s_1", NOW)
    assert set(held.entries) == {f"t{n}" for n in range(50)}
    assert sorted(len(change.memory) for change in changes) == list(range(1, 51))


async def test_turns_through_two_gateways_lose_nothing(store: Store, store_url: str) -> None:
    other = await Store.open(store_url)
    await store.sessions.create(a_session(), a_memory())

    async def turn(gateway: Store, tool_id: str) -> None:
        await gateway.sessions.update_memory(TENANT, None, "s_1", lambda held: held.add([an_entry(tool_id)]), NOW)

    await asyncio.gather(*(turn(gateway, f"{n}{i}") for n in range(10) for i, gateway in enumerate((store, other))))

    assert len((await store.sessions.get(TENANT, None, "s_1", NOW))[1]) == 20
    await other.close()


async def test_what_the_change_raises_leaves_the_memory_as_it_was(store: Store) -> None:
    await store.sessions.create(a_session(), a_memory("a"))

    def fail(held: ToolMemory) -> MemoryChange:
        raise ValueError(str(len(held)))

    with pytest.raises(ValueError, match="1"):
        await store.sessions.update_memory(TENANT, None, "s_1", fail, NOW)

    change = await store.sessions.update_memory(TENANT, None, "s_1", lambda held: held.add([an_entry("b")]), NOW)
    assert list(change.memory.entries) == ["a", "b"]


async def test_a_turn_cancelled_at_any_moment_is_finished_before_the_store_closes(store: Store, store_url: str) -> None:
    await store.sessions.create(a_session(), a_memory())
    closing = await Store.open(store_url)

    async def turn(n: int) -> None:
        await closing.sessions.update_memory(TENANT, None, "s_1", lambda held: held.add([an_entry(f"t{n}")]), NOW)

    for steps in range(30):
        task = asyncio.create_task(turn(steps))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await closing.close()

    held = (await store.sessions.get(TENANT, None, "s_1", NOW))[1].entries
    assert set(held) == {f"t{n}" for n in range(1, 30)}


async def test_sessions_are_listed_newest_first_and_paged(store: Store) -> None:
    for n in range(5):
        await store.sessions.create(a_session(f"s_{n}", created_at=NOW + n // 2), a_memory())
    await store.sessions.create(a_session("s_x", subject="other"), a_memory())
    await store.sessions.create(a_session("s_old", created_at=NOW - 9999), a_memory())

    first = await store.sessions.list(TENANT, now=NOW, subject="local", limit=2)
    rest = await store.sessions.list(TENANT, now=NOW, subject="local", offset=len(first))

    assert [session.id for session, _ in (*first, *rest)] == ["s_4", "s_3", "s_2", "s_1", "s_0"]
    assert len(await store.sessions.list(TENANT, now=NOW)) == 6
    assert await store.sessions.list("other", now=NOW) == []


async def test_a_forgotten_session_is_gone(store: Store) -> None:
    await store.sessions.create(a_session(), a_memory())

    await store.sessions.forget(TENANT, "local", "s_1", NOW)

    with pytest.raises(SessionNotFound):
        await store.sessions.get(TENANT, None, "s_1", NOW)


async def test_expiry_deletes_what_has_expired_and_nothing_else(store: Store) -> None:
    await store.sessions.create(a_session("s_old", created_at=NOW - 3600), a_memory())
    await store.sessions.create(a_session("s_new"), a_memory())

    assert (await store.sessions.expire(NOW), await store.sessions.expire(NOW)) == (1, 0)
    assert [session.id for session, _ in await store.sessions.list(TENANT, now=0)] == ["s_new"]


async def test_a_memory_of_thirty_tools_takes_at_most_five_kilobytes(sqlite_url: str) -> None:
    store = await Store.open(sqlite_url)
    queries = [f"search: find the files that changed since last week, part {n}" for n in range(6)]
    entries = [
        replace(an_entry(f"filesystem__read_many_files_{n}", reason=queries[n // 5], at=NOW + n / 7), uses=n)
        for n in range(30)
    ]
    await store.sessions.create(a_session(), ToolMemory(SessionLimits()).add(entries).memory)

    ((stored,),) = await store._database.rows(select(SESSIONS.c.memory))
    await store.close()

    assert len(stored.encode()) <= 5 * 1024


ENTRIES = st.builds(
    MemoryEntry,
    tool_id=st.text(max_size=64),
    reason=st.text(max_size=30),
    added_at=st.floats(allow_nan=False, allow_infinity=False),
    tokens=st.integers(0, 10**9),
    last_used_at=st.floats(allow_nan=False, allow_infinity=False),
    uses=st.integers(0, 10**9),
    pinned=st.booleans(),
)


@given(st.lists(ENTRIES, max_size=20), st.sampled_from(MemoryMode), st.integers(20, 4096))
def test_a_memory_survives_its_encoding(entries: list[MemoryEntry], mode: MemoryMode, max_tools: int) -> None:
    limits = SessionLimits(max_tools)
    memory = ToolMemory(limits, mode, {entry.tool_id: entry for entry in entries})

    assert decode_memory(encode_memory(memory), mode, limits) == memory

"""Sessions as use cases: turns, folding, and bad input that changes nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from domain.errors import Conflict, InvalidInput, SessionNotFound
from domain.events import Versions
from domain.identity import Principal, Role
from domain.memory import ToolMemory
from domain.sessions import MemoryMode, PrunerKind
from gateway.event_log.journal import Journal
from gateway.use_cases.catalogue import CatalogueReader, ServedTool
from gateway.use_cases.session_options import SessionDefaults, SessionOptions
from gateway.use_cases.sessions import MemoryEdit, Sessions
from store.store import Store
from tests.store.making import NOW, a_server, a_tool, adding

pytestmark = pytest.mark.anyio

ADA = Principal("default", "ada", frozenset({Role.AGENT}))
NAMES = ["read", "write", "list", "move", "stat", "link"]


class Desk:
    """Sessions over a small catalogue."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.catalogue = CatalogueReader(store)
        journal = Journal(store.events, Versions)
        self.sessions = Sessions(store, self.catalogue, journal, SessionDefaults(MemoryMode.LRU, 128, 60.0))

    async def tools(self, *names: str) -> list[ServedTool]:
        found = await self.catalogue.get_many(ADA.tenant, [f"files__{name}" for name in names])
        return list(found.values())

    async def opened(self, **options: Any) -> str:
        return (await self.sessions.open(ADA, SessionOptions(**options))).id

    async def find(self, session: str, *names: str) -> ToolMemory:
        return (await self.sessions.remember(ADA, session, await self.tools(*names), f"search: {names}")).memory

    async def call(self, session: str, name: str) -> ToolMemory:
        [tool] = await self.tools(name)
        return (await self.sessions.used(ADA, session, tool)).memory

    async def held(self, session: str) -> list[str]:
        _, memory = await self.sessions.show(ADA, session)
        return [tool_id.removeprefix("files__") for tool_id in memory.entries]


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    store = await Store.open(f"sqlite:///{tmp_path}/toolcrib.db")
    await store.servers.add(a_server())
    tools = [a_tool(name) for name in NAMES]
    await store.catalogue.apply(ADA.tenant, "files", adding(*tools), expected_generation=0, at=NOW)
    yield Desk(store)
    await store.close()


async def test_a_search_after_a_call_begins_a_turn_and_what_went_unused_leaves(desk: Desk) -> None:
    session = await desk.opened(mode=MemoryMode.LRU)
    await desk.find(session, "read", "write")
    await desk.find(session, "list")
    assert await desk.held(session) == ["read", "write", "list"]
    for found in ("move", "stat"):
        await desk.call(session, "read")
        await desk.find(session, found)
    assert await desk.held(session) == ["read", "move", "stat"]


async def test_a_tool_found_again_in_the_new_turn_does_not_leave_and_keeps_its_place(desk: Desk) -> None:
    session = await desk.opened(mode=MemoryMode.LRU, idle_turns=1)
    await desk.find(session, "read", "write")
    await desk.call(session, "write")
    await desk.find(session, "list", "read")
    assert await desk.held(session) == ["read", "list"]


async def test_what_left_comes_back_when_it_is_called_by_name(desk: Desk) -> None:
    session = await desk.opened(mode=MemoryMode.LRU, idle_turns=1)
    await desk.find(session, "read", "write")
    await desk.call(session, "write")
    folded = (await desk.find(session, "list")).folded
    back = await desk.call(session, "read")
    assert "files__read" in folded
    assert back.entries["files__read"].reason == folded["files__read"].reason
    assert (back.entries["files__read"].uses, "files__read" in back.folded) == (1, False)


async def test_what_left_comes_back_by_an_edit_without_a_search(desk: Desk) -> None:
    session = await desk.opened(mode=MemoryMode.HYBRID, max_tools=4)
    await desk.find(session, "read")
    await desk.find(session, "write")
    await desk.sessions.edit(ADA, session, MemoryEdit(add=["files__read"]))
    assert await desk.held(session) == ["read"]


async def test_an_announced_turn_of_a_workflow_prunes_and_says_what_to_search_for(desk: Desk) -> None:
    session = await desk.opened(mode=MemoryMode.WORKFLOW)
    await desk.find(session, "read", "write")
    await desk.sessions.begin_turn(ADA, session, ["hello"])
    begun = await desk.sessions.begin_turn(ADA, session, ["hello", "where is that link"])
    assert begun.queries == ("where is that link",)
    assert begun.change.evicted == ("files__read", "files__write")
    assert begun.degraded == ()


async def test_an_announced_turn_of_a_hybrid_session_leaves_the_search_to_the_agent(desk: Desk) -> None:
    session = await desk.opened(mode=MemoryMode.HYBRID, pruner=PrunerKind.POLICY)
    begun = await desk.sessions.begin_turn(ADA, session, ["where is that link"])
    assert (begun.queries, begun.degraded, begun.change.memory.turn) == ((), ("pruner",), 1)


async def test_a_passthrough_session_holds_the_whole_catalogue_and_refuses_one_that_is_not_small(desk: Desk) -> None:
    assert await desk.held(await desk.opened(mode=MemoryMode.PASSTHROUGH)) == sorted(NAMES)
    with pytest.raises(InvalidInput, match="has 6 tools and this session would hold 5"):
        await desk.opened(mode=MemoryMode.PASSTHROUGH, max_tools=5)
    with pytest.raises(InvalidInput, match="larger than this session's budget of 9 tokens"):
        await desk.opened(mode=MemoryMode.PASSTHROUGH, max_tokens=9)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"max_tools": 0}, "between 1 and 4096"),
        ({"max_tools": -5}, "between 1 and 4096"),
        ({"max_tools": 3}, "its limit is at least 4, not 3"),
        ({"max_tokens": 0}, "token budget is at least 1"),
        ({"idle_turns": 0}, "at least 1 turn"),
        ({"low_water": 0.9}, "0 < low < high <= 1"),
        ({"ttl_s": 0}, "up to 60 seconds without use, not 0"),
        ({"ttl_s": 1e9}, "up to 60 seconds"),
        ({"ttl_s": float("nan")}, "up to 60 seconds"),
    ],
    ids=str,
)
async def test_bounds_that_are_none_open_no_session(desk: Desk, options: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        await desk.opened(**options)
    assert await desk.sessions.listing(ADA, offset=0, limit=10) == []


EDITS: list[tuple[MemoryEdit, type[Exception], str]] = [
    (MemoryEdit(add=["files__nope"]), InvalidInput, "No such tool in the catalogue: files__nope. Nothing was changed"),
    (MemoryEdit(add=["files__list"], pin=["nope"]), InvalidInput, "No such tool"),
    (MemoryEdit(add=["files__list"], remove=["files__read"]), Conflict, "Pinned in this session's memory: files__read"),
    (MemoryEdit(add=["files__list"], unpin=["files__stat"]), InvalidInput, "is not in this session's memory"),
]


@pytest.mark.parametrize(("edit", "error", "said"), EDITS, ids=lambda value: str(value)[:60])
async def test_an_edit_that_cannot_be_done_changes_nothing(
    desk: Desk, edit: MemoryEdit, error: type[Exception], said: str
) -> None:
    session = await desk.opened()
    await desk.find(session, "read", "write")
    await desk.sessions.edit(ADA, session, MemoryEdit(pin=["files__read"]))
    before = await desk.sessions.show(ADA, session)

    with pytest.raises(error, match=said):
        await desk.sessions.edit(ADA, session, edit)

    assert await desk.sessions.show(ADA, session) == before


async def test_giving_back_a_pinned_tool_is_refused_and_the_others_stay_too(desk: Desk) -> None:
    session = await desk.opened()
    await desk.find(session, "read", "write")
    await desk.sessions.edit(ADA, session, MemoryEdit(pin=["files__read"]))
    with pytest.raises(Conflict, match="Unpin first; nothing was changed"):
        await desk.sessions.remove(ADA, session, ["files__write", "files__read"])
    assert await desk.held(session) == ["read", "write"]
    await desk.sessions.edit(ADA, session, MemoryEdit(unpin=["files__read"], remove=["files__read"]))
    assert await desk.held(session) == ["write"]


async def test_names_that_were_never_held_are_reported(desk: Desk) -> None:
    session = await desk.opened()
    await desk.find(session, "read")
    change = await desk.sessions.remove(ADA, session, ["files__read", "files__reed", ""])
    assert (change.removed, change.unknown) == (("files__read",), ("files__reed", ""))


USES: dict[str, Callable[[Desk, str], Awaitable[object]]] = {
    "show": lambda desk, session: desk.sessions.show(ADA, session),
    "turn": lambda desk, session: desk.sessions.begin_turn(ADA, session, ["x"]),
    "find": lambda desk, session: desk.find(session, "read"),
    "call": lambda desk, session: desk.call(session, "read"),
    "remove": lambda desk, session: desk.sessions.remove(ADA, session, ["files__read"]),
    "forget": lambda desk, session: desk.sessions.forget(ADA, session),
}


@pytest.mark.parametrize("use", USES)
async def test_a_session_that_another_gateway_forgot_is_found_out_by_the_first_change(
    desk: Desk, use: str, tmp_path: Path
) -> None:
    session = await desk.opened()
    await desk.find(session, "write")
    other = await Store.open(f"sqlite:///{tmp_path}/toolcrib.db")
    await other.sessions.forget(ADA.tenant, ADA.subject, session, NOW)
    await other.close()
    with pytest.raises(SessionNotFound):
        await USES[use](desk, session)

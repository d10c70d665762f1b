"""The catalogue: one transaction per change of a server."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import func, select

from domain.catalogue import CatalogueDiff, ChangeKind
from domain.errors import Conflict, InvalidInput, ServerNotFound
from domain.tools import CatalogueTool, ToolState
from store.store import Store
from store.tables import METADATA, TOOL_VERSIONS
from store.tool_rows import ToolCounts
from tests.store.making import NOW, TENANT, a_server, a_tool, adding

pytestmark = pytest.mark.anyio

ODD: dict[str, Any] = {
    "zeta": 1,
    "alpha": {"$defs": {"b": 1, "a": [1.5, None, True]}},
    "_meta": {"nul": "a\0b", "lone": "\ud800", "wide": "\N{GRINNING FACE}", "big": 10**30},
    "icons": [{"src": "data:,"}],
    "annotations": {"readOnlyHint": True},
}


async def _rows(store: Store) -> dict[str, int]:
    """Rows per table: what a write would change."""
    counts = {
        name: (await store._database.rows(select(func.count()).select_from(table)))[0][0]
        for name, table in METADATA.tables.items()
    }
    return {**counts, "head": await store.changes.head()}


async def _versions(store: Store, tool_id: str) -> list[tuple[str, int]]:
    query = select(TOOL_VERSIONS).where(TOOL_VERSIONS.c.tool_id == tool_id).order_by(TOOL_VERSIONS.c.seq)
    return [(json.loads(row.raw)["description"], row.generation) for row in await store._database.rows(query)]


async def _with_tools(store: Store, *tools: CatalogueTool) -> None:
    await store.servers.add(a_server())
    await store.catalogue.apply(TENANT, "files", adding(*tools), expected_generation=0, at=NOW)


async def test_a_tool_comes_back_with_the_json_its_server_gave_in_the_same_order(store: Store) -> None:
    tool = a_tool("re\0ad \ud800", **ODD)
    await _with_tools(store, tool)

    (found,) = await store.catalogue.known(TENANT, "files")

    assert found == tool
    assert json.dumps(found.document.raw) == json.dumps(tool.document.raw)


async def test_every_reader_gives_the_whole_tool(store: Store) -> None:
    tools = [a_tool(name) for name in ("a", "b", "c")]
    await _with_tools(store, *tools)

    assert await store.catalogue.get(TENANT, ["files__c", "files__a", "none", "files__a"]) == {
        "files__a": tools[0],
        "files__c": tools[2],
    }
    assert await store.catalogue.page(TENANT, after="files__a", limit=1) == [tools[1]]
    assert await store.catalogue.page(TENANT, server="files", state=ToolState.REMOVED) == []
    assert await store.catalogue.counts(TENANT) == {"files": ToolCounts(active=3, removed=0)}


async def test_a_change_replaces_tools_buries_the_gone_ones_and_numbers_it_all(store: Store) -> None:
    keep, gone, old = a_tool("keep"), a_tool("gone"), a_tool("edit", description="old")
    await _with_tools(store, keep, gone, old)
    new = a_tool("edit", description="new")
    diff = CatalogueDiff(
        added=(a_tool("fresh"),),
        changed=(new,),
        removed=("files__gone",),
        reindexed=frozenset({"files__edit"}),
        unchanged=1,
    )
    before = await store.changes.head()

    generation = await store.catalogue.apply(TENANT, "files", diff, expected_generation=1, at=NOW)

    known = {tool.document.name: tool for tool in await store.catalogue.known(TENANT, "files")}
    assert generation == (await store.servers.get(TENANT, "files")).generation == 2
    assert known == {
        "keep": keep,
        "gone": replace(gone, state=ToolState.REMOVED, generation=2),
        "edit": replace(new, generation=2),
        "fresh": replace(a_tool("fresh"), generation=2),
    }
    assert [(change.kind, change.tool_id) for change in await store.changes.after(before, 9)] == [
        (ChangeKind.UPSERT, "files__fresh"),
        (ChangeKind.UPSERT, "files__edit"),
        (ChangeKind.DELETE, "files__gone"),
    ]
    assert await _versions(store, "files__edit") == [("old", 1), ("new", 2)]
    assert await _versions(store, "files__keep") == [("Does keep.", 1)]


async def test_a_changed_contract_with_the_same_text_does_not_reach_the_indexes(store: Store) -> None:
    await _with_tools(store, a_tool("edit"))
    before = await store.changes.head()
    diff = CatalogueDiff(changed=(a_tool("edit", annotations={"readOnlyHint": True}),))

    await store.catalogue.apply(TENANT, "files", diff, expected_generation=1, at=NOW)

    assert await store.changes.after(before, 9) == []
    assert len(await _versions(store, "files__edit")) == 2


async def test_the_same_contract_under_a_new_text_makes_no_new_version(store: Store) -> None:
    tool = a_tool("edit")
    await _with_tools(store, tool)
    retitled = replace(tool, document=replace(tool.document, semantic_hash="new"))
    diff = CatalogueDiff(changed=(retitled,), reindexed=frozenset({"files__edit"}))

    await store.catalogue.apply(TENANT, "files", diff, expected_generation=1, at=NOW)

    assert len(await _versions(store, "files__edit")) == 1
    assert (await store.catalogue.active_keys())[0].semantic_hash == "new"


async def test_a_tombstone_comes_back_under_its_old_id_as_a_version_of_its_own(store: Store) -> None:
    tool = a_tool("read")
    await _with_tools(store, tool)
    buried = CatalogueDiff(removed=("files__read",))
    await store.catalogue.apply(TENANT, "files", buried, expected_generation=1, at=NOW)
    await store.catalogue.apply(TENANT, "files", adding(tool), expected_generation=2, at=NOW)

    assert await store.catalogue.known(TENANT, "files") == [replace(tool, generation=3)]
    assert [generation for _, generation in await _versions(store, "files__read")] == [1, 3]


async def test_an_empty_diff_writes_nothing(store: Store) -> None:
    await _with_tools(store, a_tool("read"))
    before = await _rows(store)

    assert await store.catalogue.apply(TENANT, "files", CatalogueDiff(), expected_generation=1, at=NOW) == 1

    assert await _rows(store) == before


async def test_a_generation_that_moved_is_a_conflict_and_nothing_is_written(store: Store) -> None:
    await _with_tools(store, a_tool("read"))
    before = await _rows(store)

    with pytest.raises(Conflict, match="'files' changed while its tools were listed"):
        await store.catalogue.apply(TENANT, "files", adding(a_tool("late")), expected_generation=0, at=NOW)

    assert await _rows(store) == before


async def test_a_server_removed_while_it_was_listed_stays_removed(store: Store) -> None:
    with pytest.raises(ServerNotFound, match="'files' was removed while"):
        await store.catalogue.apply(TENANT, "files", adding(a_tool("late")), expected_generation=0, at=NOW)

    assert await store.catalogue.active_keys() == []


async def test_of_two_appliers_on_one_generation_exactly_one_wins(store: Store) -> None:
    await store.servers.add(a_server())

    results = await asyncio.gather(
        *(
            store.catalogue.apply(TENANT, "files", adding(a_tool(f"t{n}")), expected_generation=0, at=NOW)
            for n in range(6)
        ),
        return_exceptions=True,
    )

    assert [result for result in results if not isinstance(result, Conflict)] == [1]
    assert len(await store.catalogue.active_keys()) == await store.changes.head() == 1


async def test_readers_never_see_a_part_of_a_generation(store: Store) -> None:
    await store.servers.add(a_server())
    seen: set[tuple[str, ...]] = set()
    done = asyncio.Event()

    async def read() -> None:
        while not done.is_set():
            tools = await store.catalogue.page(TENANT, server="files", limit=1000)
            seen.add(tuple(sorted({tool.document.raw["description"] for tool in tools})))

    async def write() -> None:
        for generation in range(8):
            tools = tuple(a_tool(f"t{n}", description=f"g{generation}") for n in range(50))
            diff = CatalogueDiff(changed=tools) if generation else adding(*tools)
            await store.catalogue.apply(TENANT, "files", diff, expected_generation=generation, at=NOW)
        done.set()

    await asyncio.gather(read(), read(), write())

    assert {len(descriptions) for descriptions in seen} <= {0, 1}
    assert len(seen) > 1


async def test_documents_are_those_that_are_active_now(store: Store) -> None:
    read, gone = a_tool("read"), a_tool("gone")
    await _with_tools(store, read, gone)
    await store.catalogue.apply(TENANT, "files", CatalogueDiff(removed=("files__gone",)), expected_generation=1, at=NOW)

    documents = await store.catalogue.documents(
        [(TENANT, "files__read"), (TENANT, "files__gone"), ("x", "files__read")]
    )

    assert [(found.tenant, found.tool_id, found.server) for found in documents] == [(TENANT, "files__read", "files")]
    assert documents[0].text == read.document.text
    assert documents[0].semantic_hash == read.document.semantic_hash


async def test_tools_of_another_tenant_are_invisible(store: Store) -> None:
    await _with_tools(store, a_tool("read"))

    assert await store.catalogue.get("other", ["files__read"]) == {}
    assert await store.catalogue.known("other", "files") == []
    assert await store.catalogue.page("other") == []
    assert await store.catalogue.counts("other") == {}


async def test_more_tools_than_one_statement_holds_are_written_and_found(store: Store) -> None:
    tools = [a_tool(f"t{n:05}") for n in range(2500)]
    await _with_tools(store, *tools)
    ids = [tool.tool_id for tool in tools]

    assert len(await store.catalogue.get(TENANT, ids)) == 2500
    await store.catalogue.apply(TENANT, "files", CatalogueDiff(removed=tuple(ids)), expected_generation=1, at=NOW)
    assert await store.catalogue.counts(TENANT) == {"files": ToolCounts(active=0, removed=2500)}
    assert await store.changes.head() == 5000


async def test_a_name_that_no_database_can_hold_is_unknown_or_invalid(store: Store) -> None:
    with pytest.raises(InvalidInput, match="cannot be stored"):
        await store.catalogue.get(TENANT, ["\ud800"])

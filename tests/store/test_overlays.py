"""Overlays of tools on both databases."""

from __future__ import annotations

import pytest

from domain.catalogue import CatalogueDiff, ChangeKind
from domain.errors import NameTaken, ToolNotFound
from domain.overlays import NONE, Overlay
from domain.tools import ToolState
from store.store import Store
from tests.store.making import NOW, TENANT, a_server, a_tool, adding

pytestmark = pytest.mark.anyio

READ = a_tool("read")
WRITE = a_tool("write")


async def filled(store: Store) -> None:
    await store.servers.add(a_server())
    await store.catalogue.apply(TENANT, "files", adding(READ, WRITE), expected_generation=0, at=NOW)


async def test_an_overlay_is_read_with_its_tool_and_leaves_the_upstream_words_untouched(store: Store) -> None:
    await filled(store)
    laid = Overlay("open", "Opens.")
    await store.overlays.put(TENANT, READ.tool_id, laid)

    found = (await store.catalogue.by_alias(TENANT, ["open", "shut"]))["open"]
    assert (found.tool_id, found.overlay) == (READ.tool_id, laid)
    assert found.document == READ.document
    assert (await store.catalogue.get(TENANT, [READ.tool_id]))[READ.tool_id] == found
    assert {tool.tool_id: tool.overlay for tool in await store.catalogue.page(TENANT)} == {
        READ.tool_id: laid,
        WRITE.tool_id: NONE,
    }


async def test_the_index_is_told_and_gets_the_served_text_with_the_original_name_beside_it(store: Store) -> None:
    await filled(store)
    before = await store.changes.head()
    await store.overlays.put(TENANT, READ.tool_id, Overlay("open", "Opens."))

    (change,) = await store.changes.after(before, 10)
    assert (change.kind, change.tool_id) == (ChangeKind.UPSERT, READ.tool_id)
    (document,) = await store.catalogue.documents([(TENANT, READ.tool_id)])
    assert (document.text.name, document.text.description, document.names) == ("open", "Opens.", ("read",))
    hashes = {key.tool_id: key.semantic_hash for key in await store.catalogue.active_keys()}
    assert hashes == {READ.tool_id: document.semantic_hash, WRITE.tool_id: WRITE.document.semantic_hash}


async def test_taking_an_overlay_away_brings_the_tool_back_as_it_was(store: Store) -> None:
    await filled(store)
    before = await store.catalogue.documents([(TENANT, READ.tool_id)])
    await store.overlays.put(TENANT, READ.tool_id, Overlay("open", "Opens."))
    await store.overlays.put(TENANT, READ.tool_id, NONE)

    assert await store.catalogue.documents([(TENANT, READ.tool_id)]) == before
    assert await store.catalogue.by_alias(TENANT, ["open"]) == {}


async def test_one_alias_names_one_tool_of_a_tenant(store: Store) -> None:
    await filled(store)
    await store.overlays.put(TENANT, READ.tool_id, Overlay("open"))
    with pytest.raises(NameTaken, match="'open'"):
        await store.overlays.put(TENANT, WRITE.tool_id, Overlay("open", "Also."))
    assert (await store.catalogue.get(TENANT, [WRITE.tool_id]))[WRITE.tool_id].overlay == NONE
    await store.overlays.put(TENANT, READ.tool_id, NONE)
    await store.overlays.put(TENANT, WRITE.tool_id, Overlay("open"))


async def test_descriptions_alone_do_not_meet(store: Store) -> None:
    await filled(store)
    for tool in (READ, WRITE):
        await store.overlays.put(TENANT, tool.tool_id, Overlay(description="The same."))


async def test_an_unknown_tool_takes_no_overlay(store: Store) -> None:
    await filled(store)
    with pytest.raises(ToolNotFound, match="'files__none'"):
        await store.overlays.put(TENANT, "files__none", Overlay("open"))
    with pytest.raises(ToolNotFound):
        await store.overlays.put("another", READ.tool_id, Overlay("open"))


async def test_an_overlay_outlives_the_removal_of_its_tool_without_waking_the_index(store: Store) -> None:
    await filled(store)
    await store.overlays.put(TENANT, READ.tool_id, Overlay("open"))
    gone = CatalogueDiff(removed=(READ.tool_id,))
    generation = await store.catalogue.apply(TENANT, "files", gone, expected_generation=1, at=NOW)
    head = await store.changes.head()
    await store.overlays.put(TENANT, READ.tool_id, Overlay("open", "Opens."))
    assert await store.changes.head() == head

    await store.catalogue.apply(TENANT, "files", adding(READ), expected_generation=generation, at=NOW)
    back = (await store.catalogue.by_alias(TENANT, ["open"]))["open"]
    assert (back.state, back.overlay) == (ToolState.ACTIVE, Overlay("open", "Opens."))

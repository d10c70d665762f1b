"""What was read before a change is not remembered after it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from domain.catalogue import CatalogueDiff
from domain.tools import CatalogueTool, ToolState
from gateway.use_cases.catalogue import CatalogueReader
from store.store import Store
from tests.store.making import NOW, TENANT, a_server, a_tool, adding

pytestmark = pytest.mark.anyio


async def test_a_read_that_a_removal_overtakes_is_not_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await Store.open(f"sqlite:///{tmp_path}/toolcrib.db")
    await store.servers.add(a_server())
    await store.catalogue.apply(TENANT, "files", adding(a_tool("read")), expected_generation=0, at=NOW)
    reader = CatalogueReader(store)
    read = store.catalogue.get

    async def overtaken(tenant: str, tool_ids: Sequence[str]) -> dict[str, CatalogueTool]:
        found = await read(tenant, tool_ids)
        gone = CatalogueDiff(removed=("files__read",))
        await store.catalogue.apply(TENANT, "files", gone, expected_generation=1, at=NOW)
        reader.forget(TENANT, "files")
        return found

    with monkeypatch.context() as patch:
        patch.setattr(store.catalogue, "get", overtaken)
        before = await reader.get_many(TENANT, ["files__read"])
    after = await reader.get_many(TENANT, ["files__read"])
    await store.close()

    assert before["files__read"].entry.state is ToolState.ACTIVE
    assert after["files__read"].entry.state is ToolState.REMOVED


async def test_tools_that_are_shown_together_come_from_one_generation_also_before_anybody_said_that_it_changed(
    tmp_path: Path,
) -> None:
    store = await Store.open(f"sqlite:///{tmp_path}/toolcrib.db")
    await store.servers.add(a_server())
    names = ["files__a", "files__b", "files__c"]
    await store.catalogue.apply(
        TENANT,
        "files",
        adding(*(a_tool(name[-1], description="Old.") for name in names)),
        expected_generation=0,
        at=NOW,
    )
    reader = CatalogueReader(store)
    await reader.get_many(TENANT, names[:2])

    changed = tuple(a_tool(name[-1], description="New.") for name in names)
    both = CatalogueDiff(changed=changed, reindexed=frozenset(names))
    await store.catalogue.apply(TENANT, "files", both, expected_generation=1, at=NOW)
    kept = await reader.get_many(TENANT, names[:2])
    together = await reader.get_many(TENANT, names[1:])
    again = await reader.get_many(TENANT, names)
    await store.close()

    assert {tool.entry.document.raw["description"] for tool in kept.values()} == {"Old."}  # whole, if not the newest
    assert [tool.entry.document.raw["description"] for tool in together.values()] == ["New."] * 2
    assert [tool.entry.document.raw["description"] for tool in again.values()] == ["New."] * 3


async def test_what_was_read_ahead_is_found_without_a_store_and_no_more_than_asked_for(tmp_path: Path) -> None:
    store = await Store.open(f"sqlite:///{tmp_path}/toolcrib.db")
    for slug in ("files", "mail", "notes"):
        await store.servers.add(a_server(slug))
        await store.catalogue.apply(TENANT, slug, adding(a_tool("read", server=slug)), expected_generation=0, at=NOW)
    reader = CatalogueReader(store)

    await reader.read_ahead(2)
    await store.close()

    names = ["files__read", "mail__read", "notes__read"]
    kept = reader.remembered(TENANT, names)
    assert len(kept) == 2
    assert (await reader.get_many(TENANT, list(kept))).keys() == kept.keys()

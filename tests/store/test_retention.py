"""What is kept of histories: nothing anybody needs is lost, and nothing grows without end."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from domain.catalogue import CatalogueDiff
from domain.review import HeldChange, HeldKind, HoldReason
from store import retention
from store.store import Store
from store.tables import INDEX_CHANGES
from tests.store.making import NOW, TENANT, a_server, a_tool

pytestmark = pytest.mark.anyio


async def with_versions(store: Store, count: int) -> None:
    """Tool `read` in so many versions, one a second."""
    await store.servers.add(a_server())
    first = CatalogueDiff(added=(a_tool("read", description="v0"), a_tool("write")), approved_by="ada")
    await store.catalogue.apply(TENANT, "files", first, expected_generation=0, at=NOW)
    for n in range(1, count):
        diff = CatalogueDiff(changed=(a_tool("read", description=f"v{n}"),), reindexed=frozenset({"files__read"}))
        await store.catalogue.apply(TENANT, "files", diff, expected_generation=n, at=NOW + n)


async def kept(store: Store, tool_id: str) -> list[str]:
    return [str(version.raw["description"]) for version in await store.versions.of(TENANT, tool_id, limit=1000)]


async def test_old_versions_go_and_five_stay_whatever_their_age(store: Store) -> None:
    await with_versions(store, 10)

    gone = await store.retention.versions(NOW + 1000)

    assert gone == 5
    assert await kept(store, "files__read") == ["v9", "v8", "v7", "v6", "v5"]
    assert await kept(store, "files__write") == ["Does write."]


async def test_young_versions_stay_up_to_a_number(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "MOST_KEPT", 7)
    await with_versions(store, 10)

    assert await store.retention.versions(NOW - 1000) == 3
    assert len(await kept(store, "files__read")) == 7


async def test_who_approved_what_is_served_is_never_pushed_out(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "MOST_KEPT", 3)
    await with_versions(store, 10)
    back = CatalogueDiff(changed=(a_tool("read", description="v0"),), approved_by="ada")
    await store.catalogue.apply(TENANT, "files", back, expected_generation=10, at=NOW)
    for n in range(10):
        held = HeldChange(a_tool("read", description=f"n{n}"), HeldKind.CHANGED, HoldReason.POLICY, NOW + n)
        await store.catalogue.apply(TENANT, "files", CatalogueDiff(held=(held,)), expected_generation=11 + n, at=NOW)

    await store.retention.versions(NOW + 1000)

    known = await store.versions.of(TENANT, "files__read")
    assert [(version.raw["description"], version.decision, version.by) for version in known[:6]] == [
        *((f"n{n}", "held", None) for n in (9, 8, 7)),
        ("v0", "approved", "ada"),
    ]


async def test_an_index_that_is_behind_misses_nothing_of_a_log_that_was_shortened(store: Store) -> None:
    await with_versions(store, 10)
    removed = CatalogueDiff(removed=("files__write",))
    await store.catalogue.apply(TENANT, "files", removed, expected_generation=10, at=NOW)
    followed = {change.tool_id: change.kind for change in await store.changes.after(3, 1000)}

    gone = await store.retention.changes()

    rows = await store._database.rows(select(func.count()).select_from(INDEX_CHANGES))
    assert (gone, rows[0][0]) == (10, 2)
    assert {change.tool_id: change.kind for change in await store.changes.after(3, 1000)} == followed

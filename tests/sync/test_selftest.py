"""An index whose self-test fails for one server: it says so there, serves the others, and heals by itself."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from domain.errors import IndexSelfTestFailed
from index.ports import IndexDocument, UpsertReport
from store.store import Store
from sync.engine import SyncEngine
from sync.fakes import FakeIndex, FakeListing, FakeSource
from sync.indexer import Indexer
from tests.store.making import NOW, TENANT, a_document, a_server

pytestmark = pytest.mark.anyio


class Picky(FakeIndex):
    """Fails the tools of one server."""

    against = ""

    async def upsert(self, documents: Sequence[IndexDocument]) -> UpsertReport:
        if any(document.server == self.against for document in documents):
            raise IndexSelfTestFailed("None finds itself.", servers=frozenset({(TENANT, self.against)}))
        return await super().upsert(documents)


async def test_one_server_keeps_what_was_found_of_it_and_the_others_go_on(store: Store) -> None:
    source, index = FakeSource(), Picky()
    engine = SyncEngine(store, source, Indexer(store, index), clock=lambda: NOW)
    for slug in ("bad", "good"):
        await store.servers.add(a_server(slug))
        source.offers[slug] = FakeListing((a_document("a", server=slug, description="Old."),))
    await engine.sync_all(TENANT)
    index.against = "bad"
    for slug in ("bad", "good"):
        source.offers[slug] = FakeListing((a_document("a", server=slug, description="New."),))

    bad = await engine.sync_server(TENANT, "bad", "command")
    good = await engine.sync_server(TENANT, "good", "command")
    texts = {point: document.text.description for point, document in index.points.items()}
    index.against = ""
    await engine.sync_server(TENANT, "bad", "command")
    await Indexer(store, index).drain()

    assert (bad.warnings, good.warnings) == (("None finds itself.",), ())
    assert texts == {"default/bad__a": "Old.", "default/good__a": "New."}
    assert index.points["default/bad__a"].text.description == "New."
    assert index.position == await store.changes.head()

"""Whole syncs, from listing to index."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from dataclasses import replace

import pytest
from sqlalchemy import func, select

from domain.catalogue import SyncRun
from domain.errors import IndexUnavailable, ServerNotFound, UpstreamTimeout, UpstreamUnreachable
from domain.servers import UpstreamServer
from store.store import Store
from store.tables import METADATA
from sync.engine import SyncEngine
from sync.fakes import FakeIndex, FakeListing, FakeSource
from sync.indexer import Indexer
from sync.lanes import SyncRequest
from tests.store.making import NOW, TENANT, a_document, a_server

pytestmark = pytest.mark.anyio


class House:
    """A store, a source, an index, and the engine that keeps them equal."""

    def __init__(self, store: Store, source: FakeSource | None = None) -> None:
        self.store = store
        self.source = source or FakeSource()
        self.index = FakeIndex()
        self.engine = SyncEngine(store, self.source, Indexer(store, self.index), clock=lambda: NOW)

    async def sync(self, slug: str = "files", *, full: bool = False) -> SyncRun:
        return await self.engine.sync_server(TENANT, slug, "command", full=full)

    def offers(self, *names: str, slug: str = "files") -> None:
        self.source.offers[slug] = FakeListing(tuple(a_document(name, server=slug) for name in names))

    async def tools(self) -> list[str]:
        return [key.tool_id for key in sorted(await self.store.catalogue.active_keys(), key=lambda key: key.tool_id)]


async def rows(store: Store) -> Mapping[str, int]:
    return {
        name: (await store._database.rows(select(func.count()).select_from(table)))[0][0]
        for name, table in METADATA.tables.items()
    }


async def test_a_first_sync_stores_and_indexes_what_the_server_lists(store: Store) -> None:
    house = House(store)
    await store.servers.add(a_server())
    house.source.offers["files"] = FakeListing((a_document("a"), a_document("b")), ("Left out one.",))

    run = await house.sync()

    expected = SyncRun(TENANT, "files", "command", NOW, NOW, 1, added=2, skipped=1, embedded=2)
    assert run == replace(expected, warnings=("Left out one.",))
    assert await store.runs.list(TENANT) == [run]
    assert await house.tools() == ["files__a", "files__b"]
    assert set(house.index.points) == {"default/files__a", "default/files__b"}


async def test_a_second_sync_of_unchanged_servers_writes_only_its_run_and_embeds_nothing(store: Store) -> None:
    house = House(store)
    await store.servers.add(a_server())
    house.offers("a", "b")
    await house.sync()
    before, written = await rows(store), house.index.writes

    run = await house.sync()

    assert (run.unchanged, run.embedded, run.generation) == (2, 0, 1)
    assert await rows(store) == {**before, "sync_runs": 2}
    assert (house.index.writes, house.index.embedded) == (written, 2)


async def test_a_hundred_syncs_with_reordered_pages_change_nothing_after_the_first(store: Store) -> None:
    house = House(store)
    await store.servers.add(a_server())
    names = [f"t{n}" for n in range(20)]
    chance = random.Random(0)
    runs: list[SyncRun] = []
    for _ in range(50):
        chance.shuffle(names)
        house.offers(*names)
        runs.extend(await asyncio.gather(house.sync(), house.sync()))

    assert {run.generation for run in runs} == {1}
    assert (house.index.embedded, await store.changes.head()) == (20, 20)


async def test_a_server_that_fails_keeps_its_tools_and_says_why(store: Store) -> None:
    house = House(store)
    await store.servers.add(a_server())
    house.offers("a")
    await house.sync()
    house.source.offers["files"] = UpstreamTimeout("Server 'files' did not answer in 30 s; look at its log.")

    run = await house.sync()

    assert (run.error, run.generation) == ("Server 'files' did not answer in 30 s; look at its log.", 1)
    assert await house.tools() == ["files__a"]
    assert (await store.runs.list(TENANT))[0] == run
    assert await store.runs.last_success(TENANT) == {"files": NOW}


async def test_one_bad_server_never_hides_the_tools_of_the_others(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    house = House(store)
    for slug in ("bad", "worse", "files", "time"):
        await store.servers.add(a_server(slug))
        house.offers("a", slug=slug)
    await store.servers.add(replace(a_server("off"), enabled=False))
    house.source.offers["bad"] = UpstreamUnreachable("Server 'bad' cannot be reached.")
    house.source.offers["worse"] = ZeroDivisionError("a bug")
    progress: list[str] = []

    runs = await house.engine.sync_all(TENANT, on_progress=lambda run: progress.append(run.server))

    assert [(run.server, run.error) for run in runs] == [
        ("bad", "Server 'bad' cannot be reached."),
        ("files", None),
        ("time", None),
        ("worse", "Something went wrong inside Toolcrib; the log has the details."),
    ]
    assert sorted(progress) == ["bad", "files", "time", "worse"]
    assert await house.tools() == ["files__a", "time__a"]
    assert "ZeroDivisionError" in caplog.text


async def test_named_servers_are_synced_once_each_and_a_disabled_one_says_so(store: Store) -> None:
    house = House(store)
    await store.servers.add(a_server("files"))
    await store.servers.add(replace(a_server("off"), enabled=False))

    runs = await house.engine.sync_all(TENANT, ["off", "files", "off"])

    assert [(run.server, run.error) for run in runs] == [
        ("off", "Server 'off' is disabled; `toolcrib servers enable off` switches it on."),
        ("files", None),
    ]


async def test_an_unknown_name_is_said_before_anything_begins(store: Store) -> None:
    house = House(store)
    await store.servers.add(a_server())

    with pytest.raises(ServerNotFound, match="'nope'"):
        await house.engine.sync_all(TENANT, ["files", "nope"])
    with pytest.raises(ServerNotFound, match="'nope'"):
        await house.sync("nope")

    assert house.source.listed == []


async def test_most_tools_vanishing_at_once_has_to_be_accepted(store: Store) -> None:
    house = House(store)
    await store.servers.add(a_server())
    house.offers("a", "b", "c", "d", "e")
    await house.sync()
    house.offers("a")

    refused = await house.sync()
    kept = await house.tools()
    accepted = await house.sync(full=True)

    assert refused.error is not None
    assert "no longer lists 4 of its 5 tools" in refused.error
    assert "`toolcrib sync files --full` accepts it" in refused.error
    assert len(kept) == 5
    assert (accepted.error, accepted.removed, await house.tools()) == (None, 4, ["files__a"])
    assert set(house.index.points) == {"default/files__a"}


class Falling(FakeSource):
    """A server that lists less and less."""

    async def list_tools(self, server: UpstreamServer) -> FakeListing:
        listing = await super().list_tools(server)
        self.offers[server.slug] = replace(listing, documents=listing.documents[:-1])
        return listing


async def test_a_server_that_lists_less_every_time_loses_nothing_even_when_its_removal_is_confirmed(
    store: Store,
) -> None:
    house = House(store)
    await store.servers.add(a_server())
    house.offers(*"abcdefgh")
    await house.sync()
    falling = House(store, Falling())
    falling.offers("a", "b", "c")

    run = await falling.sync(full=True)

    assert "listed twice" in str(run.error)
    assert len(await house.tools()) == 8


async def test_an_index_that_is_down_does_not_stop_the_record_and_is_caught_up_later(store: Store) -> None:
    house = House(store)
    await store.servers.add(a_server())
    house.offers("a")
    house.index.failing = IndexUnavailable("The index is away.")

    stored = await house.sync()
    house.index.failing = None
    house.offers("a", "b")
    caught_up = await house.sync()

    assert (stored.error, stored.warnings) == (None, ("Stored, but not searchable yet: The index is away.",))
    assert (caught_up.added, caught_up.embedded) == (1, 2)
    assert len(house.index.points) == 2


class GatedSource(FakeSource):
    """Waits inside each listing until the gate opens; runs `meanwhile` once, before answering."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.entered = asyncio.Semaphore(0)
        self.inside = 0
        self.most_inside = 0

    async def list_tools(self, server: UpstreamServer) -> FakeListing:
        self.inside += 1
        self.most_inside = max(self.most_inside, self.inside)
        self.entered.release()
        await self.gate.wait()
        self.inside -= 1
        return await super().list_tools(server)


async def test_requests_that_wait_share_the_next_sync(store: Store) -> None:
    source = GatedSource()
    house = House(store, source)
    await store.servers.add(a_server())
    first = asyncio.create_task(house.sync())
    await source.entered.acquire()
    request = SyncRequest(TENANT, "files", "command", full=False)
    others = [asyncio.create_task(house.engine._lanes.run(request)) for _ in range(10)]
    await asyncio.sleep(0)  # one pass of the loop takes each of them to where it waits

    source.gate.set()
    await asyncio.gather(first, *others)

    assert source.listed == ["files", "files"]
    assert source.most_inside == 1


async def test_at_most_eight_servers_are_listed_at_a_time(store: Store) -> None:
    source = GatedSource()
    house = House(store, source)
    for n in range(20):
        await store.servers.add(a_server(f"s{n}"))
    task = asyncio.create_task(house.engine.sync_all(TENANT))
    for _ in range(8):
        await source.entered.acquire()

    source.gate.set()
    runs = await task

    assert (len(runs), source.most_inside) == (20, 8)


async def test_a_caller_who_leaves_does_not_stop_the_sync_others_wait_for(store: Store) -> None:
    source = GatedSource()
    house = House(store, source)
    house.offers("a")
    await store.servers.add(a_server())
    leaving = asyncio.create_task(house.sync())
    await source.entered.acquire()
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    staying = asyncio.create_task(house.sync())

    source.gate.set()
    run = await staying

    assert (run.unchanged, await house.tools()) == (1, ["files__a"])


class Meddler(FakeSource):
    """While it lists, somebody else commits or removes."""

    def __init__(self, store: Store, times: int) -> None:
        super().__init__()
        self.store = store
        self.times = times

    async def list_tools(self, server: UpstreamServer) -> FakeListing:
        if self.times:
            self.times -= 1
            other = House(self.store)
            other.offers("a", *(f"other{n}" for n in range(self.times + 1)))
            await other.sync()
        return await super().list_tools(server)


async def test_a_commit_of_another_gateway_in_between_leads_to_one_new_listing(store: Store) -> None:
    house = House(store, Meddler(store, times=1))
    house.offers("a", "b")
    await store.servers.add(a_server())

    run = await house.sync()

    assert (run.error, run.generation, await house.tools()) == (None, 2, ["files__a", "files__b"])
    assert house.source.listed == ["files", "files"]


async def test_a_second_conflict_is_told_and_leaves_what_the_other_committed(store: Store) -> None:
    house = House(store, Meddler(store, times=2))
    house.offers("a", "b")
    await store.servers.add(a_server())

    run = await house.sync()

    assert run.error == "The catalogue of server 'files' changed while its tools were listed; list them again."
    assert await house.tools() == ["files__a", "files__other0"]


class Remover(FakeSource):
    """The server is removed while it is listed."""

    def __init__(self, store: Store) -> None:
        super().__init__()
        self.store = store

    async def list_tools(self, server: UpstreamServer) -> FakeListing:
        await self.store.servers.remove(server.tenant, server.slug)
        return await super().list_tools(server)


async def test_a_server_removed_while_it_is_listed_stays_removed_and_without_history(store: Store) -> None:
    house = House(store, Remover(store))
    house.offers("a")
    await store.servers.add(a_server())

    run = await house.sync()

    assert run.error is not None
    assert "'files' was removed" in run.error
    assert (await house.tools(), await store.runs.list(TENANT)) == ([], [])


async def test_closing_stops_what_is_under_way(store: Store) -> None:
    source = GatedSource()
    house = House(store, source)
    await store.servers.add(a_server())
    task = asyncio.create_task(house.sync())
    await source.entered.acquire()

    await house.engine.close()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert await store.runs.list(TENANT) == []

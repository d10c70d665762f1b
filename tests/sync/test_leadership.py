"""Several gateways on one store: one leads, the others ask it; a leader that was away too long writes nothing more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from domain.errors import ServerNotFound, Unavailable
from store.keyring import KEY_FILE, FileKeys
from store.leases import LeaseLost
from store.notices import NoticeKind
from store.store import Store
from sync.engine import SyncEngine
from sync.fakes import FakeIndex, FakeListing, FakeSource
from sync.indexer import Indexer
from sync.leadership import SYNC_LEASE, Alone, Leadership, Leads
from sync.replicated import ReplicatedSyncs
from tests.store.making import TENANT, a_document, a_server

pytestmark = pytest.mark.anyio

TTL_S = 0.5


@dataclass
class HandClock:
    """Stands still until it is set."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Gateway:
    """What a gateway has of sync."""

    store: Store
    lead: Leadership
    syncs: ReplicatedSyncs
    source: FakeSource
    clock: HandClock = field(default_factory=HandClock)


@pytest.fixture
async def pair(postgres_url: str, tmp_path: Path) -> AsyncIterator[list[Gateway]]:
    gateways = []
    for _ in range(2):
        store, clock, source = await Store.open(postgres_url, FileKeys(tmp_path / KEY_FILE)), HandClock(), FakeSource()
        lead = Leadership(store, SYNC_LEASE, ttl_s=TTL_S, clock=clock)
        engine = SyncEngine(store, source, Indexer(store, FakeIndex()), lease=lead.lease)
        gateways.append(Gateway(store, lead, ReplicatedSyncs(engine, store, lead, patience_s=5), source, clock))
    await gateways[0].store.servers.add(a_server())
    for gateway in gateways:
        gateway.source.offers["files"] = FakeListing((a_document("read"),))
    yield gateways
    for gateway in gateways:
        await gateway.syncs.close()
        await gateway.store.close()


@asynccontextmanager
async def serving(gateway: Gateway) -> AsyncIterator[None]:
    """What its tasks do."""

    def hear(notice: object) -> None:
        if getattr(notice, "kind", None) is NoticeKind.REQUEST:
            gateway.syncs.request_came()
        if getattr(notice, "kind", None) is NoticeKind.ANSWER:
            gateway.syncs.answer_came(getattr(notice, "subject", ""))

    tasks = [asyncio.ensure_future(work) for work in (gateway.syncs.serve(), gateway.store.notices.run(hear))]
    yield
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def taken_by(gateway: Gateway) -> None:
    """It takes the lease as soon as the one before has run out."""
    async with asyncio.timeout(10):
        while not await gateway.lead.attempt():  # noqa: ASYNC110 - the database's clock has no event
            await asyncio.sleep(0.01)


async def test_one_leads_and_the_other_takes_over_when_the_lease_runs_out(pair: list[Gateway]) -> None:
    first, second = pair
    assert await first.lead.attempt()
    assert not await second.lead.attempt()

    await taken_by(second)

    first.clock.now = TTL_S
    assert not first.lead.leads
    with pytest.raises(LeaseLost):
        first.lead.lease()
    assert not await first.lead.attempt()


async def test_a_leader_that_slept_through_its_lease_commits_nothing_and_asks_the_new_one(
    pair: list[Gateway],
) -> None:
    first, second = pair
    await first.lead.attempt()
    await taken_by(second)
    assert first.lead.leads  # its clock stood still, as in a paused process: it believes so

    async with serving(second), serving(first):
        run = await first.syncs.sync_server(TENANT, "files", "command")

    assert (run.error, run.added, run.generation) == (None, 1, 1)
    assert first.source.listed == second.source.listed == ["files"]
    assert len(await first.store.runs.list(TENANT)) == 1


async def test_a_gateway_that_does_not_lead_is_answered_by_the_one_that_does(pair: list[Gateway]) -> None:
    first, second = pair
    await first.lead.attempt()
    first.source.offers["files"] = FakeListing((a_document("read"),), warnings=("one was left out",))
    async with serving(first), serving(second):
        run = await second.syncs.sync_server(TENANT, "files", "list_changed")
        with pytest.raises(ServerNotFound):
            await second.syncs.sync_server(TENANT, "nobody", "command")

    assert (run.trigger, run.added, run.warnings) == ("list_changed", 1, ("one was left out",))
    assert second.source.listed == []
    assert await first.store.sync_requests.open() == []


async def test_a_request_that_nobody_answers_ends_with_a_reason(pair: list[Gateway]) -> None:
    first, second = pair
    await first.lead.attempt()  # and does nothing
    second.syncs._patience_s = 0.1

    with pytest.raises(Unavailable, match="has not answered"):
        await second.syncs.sync_server(TENANT, "files", "command")
    assert await first.store.sync_requests.open() == []


async def test_a_request_to_a_leader_that_died_is_found_by_the_next_one(pair: list[Gateway]) -> None:
    first, second = pair
    await first.lead.attempt()
    first.clock.now = TTL_S  # it does not lead any more, and asks
    waiting = asyncio.create_task(first.syncs.sync_server(TENANT, "files", "command"))
    await taken_by(second)

    async with serving(second), serving(first):
        assert (await waiting).added == 1


async def test_work_is_done_while_leading_and_ended_when_the_lead_is_lost(pair: list[Gateway]) -> None:
    first, second = pair
    working, ended = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        working.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    task = asyncio.create_task(first.lead.while_leading(work))
    await first.lead.attempt()
    async with asyncio.timeout(5):
        await working.wait()
    await taken_by(second)
    await first.lead.attempt()
    async with asyncio.timeout(5):
        await ended.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_lease_that_is_given_back_goes_to_the_next_at_once(pair: list[Gateway]) -> None:
    first, second = pair
    keeping = asyncio.create_task(first.lead.run())
    async with asyncio.timeout(5):
        await first.lead._until(leading=True)
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)

    assert await second.lead.attempt()


async def test_a_store_with_one_gateway_always_leads_and_needs_no_lease() -> None:
    alone: Leads = Alone()

    assert alone.leads
    assert alone.lease() is None

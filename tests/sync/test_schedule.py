"""When servers are synced. Time is moved by hand: no test sleeps."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from domain.catalogue import SyncRun
from domain.errors import StoreUnavailable, ToolcribError
from domain.servers import UpstreamServer
from sync.schedule import SyncSchedule
from tests.store.making import TENANT, a_server

pytestmark = pytest.mark.anyio


class Hands:
    """Sleeps end when `to` moves the clock past them, in order."""

    def __init__(self) -> None:
        self.now = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Event]] = []
        self._count = 0

    async def sleep(self, seconds: float) -> None:
        woken = asyncio.Event()
        self._count += 1
        heapq.heappush(self._sleepers, (self.now + seconds, self._count, woken))
        await woken.wait()

    async def to(self, now: float) -> None:
        await settle()
        while self._sleepers and self._sleepers[0][0] <= now:
            self.now, _, woken = heapq.heappop(self._sleepers)
            woken.set()
            await settle()
        self.now = now


async def settle() -> None:
    """Let every task go on until all of them wait for the clock; nothing here does input or output."""
    for _ in range(50):
        await asyncio.sleep(0)


class House:
    """Records (second, server, trigger) of every sync that is started."""

    def __init__(self, chance: float = 0.0) -> None:
        self.hands = Hands()
        self.servers: list[UpstreamServer] = []
        self.synced: list[tuple[float, str, str]] = []
        self.failing: ToolcribError | None = None
        self.ttl_s: float | None = None
        self.unlisted: ToolcribError | None = None
        self.schedule = SyncSchedule(self, self.everywhere, sleep=self.hands.sleep, chance=lambda: chance)

    async def everywhere(self) -> list[UpstreamServer]:
        if self.unlisted is not None:
            raise self.unlisted
        return self.servers

    async def sync_server(self, tenant: str, slug: str, trigger: str, *, full: bool = False) -> SyncRun:
        self.synced.append((self.hands.now, slug, trigger))
        if self.failing is not None:
            raise self.failing
        assert not full
        return SyncRun(
            tenant, slug, trigger, 0, 0, 1, error="It is down." if slug == "down" else None, ttl_s=self.ttl_s
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.schedule.run())
        yield
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_every_enabled_server_is_synced_at_the_start_and_then_polled() -> None:
    house = House()
    house.servers = [a_server("files"), a_server("down"), replace(a_server("off"), enabled=False)]

    async with house.running():
        await house.hands.to(650)

    assert house.synced == [
        (0, "down", "start"),
        (0, "files", "start"),
        (300, "down", "poll"),
        (300, "files", "poll"),
        (600, "down", "poll"),
        (600, "files", "poll"),
    ]


@pytest.mark.parametrize(("chance", "second"), [(0.0, 300), (1.0, 240)])
async def test_polls_are_up_to_a_fifth_earlier_and_never_later(chance: float, second: float) -> None:
    house = House(chance)
    house.servers = [a_server()]

    async with house.running():
        await house.hands.to(399)

    assert [at for at, _, trigger in house.synced if trigger == "poll"] == [second]


@pytest.mark.parametrize(
    ("ttl_s", "second"), [(120, 120), (500, 500), (0.001, 60), (10**9, 600), (0, 300), (None, 300)]
)
async def test_a_server_that_says_how_long_its_list_is_good_for_is_polled_then_within_bounds(
    ttl_s: float | None, second: float
) -> None:
    house = House()
    house.servers = [a_server()]
    house.ttl_s = ttl_s

    async with house.running():
        await house.hands.to(second + 1)

    assert [at for at, _, trigger in house.synced if trigger == "poll"] == [second]


async def test_servers_that_come_and_go_are_followed() -> None:
    house = House()
    house.servers = [a_server("early")]

    async with house.running():
        await house.hands.to(10)
        house.servers = [a_server("late")]
        await house.hands.to(400)

    assert house.synced == [(0, "early", "start"), (330, "late", "poll")]


async def test_the_first_push_syncs_at_once_and_more_within_five_seconds_become_one() -> None:
    house = House()
    for second in (0, 1, 2, 4.9, 7):
        await house.hands.to(second)
        house.schedule.changed(TENANT, "files")
    house.schedule.changed(TENANT, "time")
    await house.hands.to(60)
    house.schedule.changed(TENANT, "files")
    await house.hands.to(90)

    assert house.synced == [
        (0, "files", "list_changed"),
        (5, "files", "list_changed"),
        (7, "time", "list_changed"),
        (10, "files", "list_changed"),
        (60, "files", "list_changed"),
    ]


async def test_a_flood_of_pushes_costs_one_sync_in_five_seconds() -> None:
    house = House()
    for tick in range(600):
        await house.hands.to(tick / 10)
        for _ in range(100):
            house.schedule.changed(TENANT, "files")
    await house.hands.to(100)

    assert len(house.synced) == 13


async def test_failures_are_logged_and_do_not_stop_the_polling(caplog: pytest.LogCaptureFixture) -> None:
    house = House()
    house.servers = [a_server("down")]
    house.failing = StoreUnavailable()

    async with house.running():
        await house.hands.to(10)
        house.failing, house.unlisted = None, StoreUnavailable("The record is away.")
        await house.hands.to(310)

    assert house.synced == [(0, "down", "start"), (300, "down", "poll")]
    assert "Server 'down' was not synced (start): The record database cannot be reached" in caplog.text
    assert "polling goes on with the last one: The record is away." in caplog.text
    assert "Sync of server 'down' failed (poll): It is down." in caplog.text


async def test_a_server_whose_polls_fail_is_polled_ever_more_rarely_until_one_succeeds() -> None:
    house = House()
    house.servers = [a_server("files")]
    house.failing = StoreUnavailable()
    async with house.running():
        await house.hands.to(4799)
        assert [at for at, _, _ in house.synced] == [0, 300, 600, 1200, 2400, 3600]
        house.failing = None
        await house.hands.to(5100)
    assert [at for at, _, _ in house.synced][6:] == [4800, 5100]


async def test_stopping_leaves_no_task_behind() -> None:
    house = House()
    house.servers = [a_server()]
    before = asyncio.all_tasks()

    async with house.running():
        await house.hands.to(1)
        house.schedule.changed(TENANT, "files")
        await house.hands.to(2)

    assert asyncio.all_tasks() == before

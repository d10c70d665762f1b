"""Servers of the current revision over HTTP are used without a session, and keep nothing open that nobody uses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from benchmarks.finance.catalogue import finance_servers
from benchmarks.finance.running import Running, market
from domain.servers import Transport
from servers.connection import Connection
from servers.idle_sockets import IdleSockets
from servers.limits import Limits
from servers.pool import ServerPool
from servers.stateless import StatelessConnection
from tests.servers.conftest import PATIENT
from tests.upstreams.running import http_upstream

pytestmark = pytest.mark.anyio

COUNT = 40


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    async with market(finance_servers(COUNT), announcing=COUNT // 2) as found:
        yield found


async def test_listing_many_servers_starts_no_task_for_those_that_announce_nothing_and_bounds_the_open_sockets() -> (
    None
):
    async with market(finance_servers(COUNT)) as running:
        before = len(asyncio.all_tasks())
        limits = Limits(PATIENT, idle_sockets=IdleSockets(8))
        pool = ServerPool(limits)
        listings = await asyncio.gather(*(pool.list_tools(server) for server in running.upstreams))
        assert [one.documents[0].name for one in listings] == [server.tool_name for server in running.servers]
        assert len(limits.idle_sockets) <= 8
        assert len(asyncio.all_tasks()) == before
        await pool.aclose()
        assert len(limits.idle_sockets) == 0


async def test_a_change_is_heard_without_a_session_from_the_server_that_changed_and_from_no_other(
    running: Running,
) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    pool = ServerPool(Limits(PATIENT), on_list_changed=lambda _tenant, slug: heard.put_nowait(slug))
    await asyncio.gather(*(pool.list_tools(server) for server in running.upstreams[:3]))
    await running.listening(3)
    await running.operate(change=[running.servers[1].slug], announce=True)
    assert await asyncio.wait_for(heard.get(), 10) == running.servers[1].slug
    assert heard.empty()
    await pool.aclose()


async def test_a_server_of_the_handshake_era_gets_its_session() -> None:
    async with http_upstream(Transport.STREAMABLE_HTTP, "--legacy") as upstream:
        pool = ServerPool(Limits(PATIENT))
        server = upstream.server()
        assert (await pool.call(server, "echo", {"text": "x"})).raw["content"][0]["text"] == "x"
        assert isinstance(pool._upstreams["t", "up"]._lanes.latest, Connection)
        await pool.aclose()


async def test_a_server_of_the_current_revision_gets_none() -> None:
    async with http_upstream(Transport.STREAMABLE_HTTP) as upstream:
        pool = ServerPool(Limits(PATIENT))
        await pool.call(upstream.server(), "echo", {"text": "x"})
        assert isinstance(pool._upstreams["t", "up"]._lanes.latest, StatelessConnection)
        health = pool.health("t", "up")
        assert (health.server_name, health.protocol_version) == ("reference", "2026-07-28")
        await pool.aclose()


@dataclass(eq=False)
class Plug:
    """A socket that remembers whether it was closed."""

    open: bool = True

    def abort(self) -> None:
        self.open = False


HERE, THERE = (False, "here", 80), (True, "there", 443)


async def test_the_socket_that_has_been_idle_longest_is_closed_first() -> None:
    a, b, c, d = (Plug() for _ in range(4))
    sockets: IdleSockets[Plug] = IdleSockets(2)
    sockets.add(HERE, a)
    sockets.add(THERE, b)
    sockets.add(HERE, c)
    assert sockets.take(THERE) is b
    sockets.add(THERE, d)
    assert [plug.open for plug in (a, b, c, d)] == [False, True, True, True]
    assert len(sockets) == 2
    sockets.close()
    assert [plug.open for plug in (c, d)] == [False, False]
    assert len(sockets) == 0


async def test_a_socket_is_used_again_for_its_own_address_only_and_never_once_it_is_closed() -> None:
    first, second = Plug(), Plug()
    sockets: IdleSockets[Plug] = IdleSockets()
    sockets.add(HERE, first)
    sockets.add(HERE, second)
    assert sockets.take(THERE) is None
    second.abort()
    assert sockets.take(HERE) is first
    assert sockets.take(HERE) is None


async def test_servers_behind_one_address_share_its_sockets() -> None:
    async with market(finance_servers(COUNT)) as running:
        limits = Limits(PATIENT)
        pool = ServerPool(limits)
        for server in running.upstreams:
            await pool.list_tools(server)
        assert len(limits.idle_sockets) == 1
        await pool.aclose()

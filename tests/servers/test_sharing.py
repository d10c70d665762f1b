"""What a server keeps for a session is met by the calls of one owner only, and by all calls where it keeps nothing."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import replace

import pytest

from domain.servers import Sharing, Transport, UpstreamServer
from servers.limits import Caps
from servers.pool import ServerPool
from tests.faults.parts import until
from tests.servers.conftest import MakePool, processes_with
from tests.upstreams.running import http_upstream, stdio_server

pytestmark = pytest.mark.anyio

KEEPING = pytest.mark.parametrize("transport", [Transport.STREAMABLE_HTTP, Transport.SSE])


async def counted(pool: ServerPool, server: UpstreamServer, owner: str, tool: str = "own_counter") -> str:
    raw = (await pool.call(server, tool, {}, owner=owner)).raw
    return str(raw["content"][0]["text"])


@KEEPING
async def test_a_server_that_keeps_sessions_keeps_one_for_each_owner(pool: ServerPool, transport: Transport) -> None:
    async with http_upstream(transport, "--legacy") as running:
        server = running.server()
        assert [await counted(pool, server, "ada") for _ in range(3)] == ["1", "2", "3"]
        assert await counted(pool, server, "bob") == "1"
        assert await counted(pool, server, "ada") == "4"


@KEEPING
async def test_owners_that_come_at_once_do_not_meet_in_one_session(pool: ServerPool, transport: Transport) -> None:
    async with http_upstream(transport, "--legacy") as running:
        server, owners = running.server(), [f"o{number}" for number in range(8)]
        assert await asyncio.gather(*(counted(pool, server, owner) for owner in owners)) == ["1"] * 8
        assert await asyncio.gather(*(counted(pool, server, owner) for owner in owners)) == ["2"] * 8


async def test_listing_leaves_the_owners_sessions_alone(pool: ServerPool) -> None:
    async with http_upstream(Transport.STREAMABLE_HTTP, "--legacy") as running:
        server = running.server()
        await pool.list_tools(server)
        assert await counted(pool, server, "ada") == "1"
        await pool.list_tools(server)
        assert await counted(pool, server, "ada") == "2"


async def test_a_lost_session_costs_its_owner_alone(pool: ServerPool) -> None:
    async with http_upstream(Transport.STREAMABLE_HTTP, "--legacy") as first:
        server = first.server()
        for owner in ("ada", "bob"):
            await counted(pool, server, owner)
        await first.kill()
        async with http_upstream(Transport.STREAMABLE_HTTP, "--legacy", port=first.port):
            assert [await counted(pool, server, owner) for owner in ("ada", "ada", "bob")] == ["1", "2", "1"]


async def test_above_the_limit_the_session_used_longest_ago_is_ended_at_the_server(make_pool: MakePool) -> None:
    pool = make_pool(caps=Caps(sessions=2))
    async with http_upstream(Transport.STREAMABLE_HTTP, "--legacy") as running:
        server = running.server()
        for owner in ("ada", "bob", "cyn"):
            assert await counted(pool, server, owner) == "1"
        async with asyncio.timeout(20):
            while (
                await counted(pool, server, "cyn", "deletes") != "2"
            ):  # the one that asked first what it is, and ada's
                pass
        assert [await counted(pool, server, owner) for owner in ("bob", "ada")] == ["2", "1"]


async def test_a_session_in_use_is_not_ended_for_the_limit(make_pool: MakePool) -> None:
    pool = make_pool(caps=Caps(sessions=1))
    async with http_upstream(Transport.STREAMABLE_HTTP, "--legacy") as running:
        server = running.server()
        await counted(pool, server, "ada")
        call = asyncio.create_task(pool.call(server, "slow", {"seconds": 0.5, "label": "x"}, owner="ada"))
        await pool.call(server, "running", {"label": "x", "count": 1}, owner="ada")
        assert await counted(pool, server, "bob") == "1"
        assert (await call).raw["content"][0]["text"] == "awake"
        assert await counted(pool, server, "ada") == "2"


async def test_requests_that_stand_alone_share_one_way_whoever_owns_them(pool: ServerPool) -> None:
    async with http_upstream(Transport.STREAMABLE_HTTP) as running:
        server = running.server()
        for owner in ("ada", "bob"):
            await counted(pool, server, owner, "counter")
        upstream = pool._upstreams["t", "up"]
        assert upstream._lanes.of("ada") is upstream._lanes.of("bob") is None
        assert upstream._lanes.of("") is not None


async def test_a_child_process_is_everybodys_unless_its_admin_wants_one_for_each_owner(pool: ServerPool) -> None:
    mark = uuid.uuid4().hex
    server = stdio_server("reference", "--legacy", env={"MARK": mark})
    assert [await counted(pool, server, owner) for owner in ("ada", "bob")] == ["1", "2"]
    one = len(processes_with(mark))
    apart = replace(server, sharing=Sharing.SESSION)
    assert [await counted(pool, apart, owner) for owner in ("ada", "ada", "bob")] == ["1", "2", "1"]
    assert await until(lambda: len(processes_with(mark)) == 2 * one, 20) < 20  # the shared one has ended
    await pool.aclose()
    assert processes_with(mark) == set()


async def test_processes_for_owners_have_a_limit(make_pool: MakePool) -> None:
    mark = uuid.uuid4().hex
    pool = make_pool(caps=Caps(processes=2))
    server = replace(stdio_server("reference", "--legacy", env={"MARK": mark}), sharing=Sharing.SESSION)
    await counted(pool, server, "o0")
    one = len(processes_with(mark))
    owners = [f"o{number}" for number in range(1, 5)]
    assert await asyncio.gather(*(counted(pool, server, owner) for owner in owners)) == ["1"] * 4
    assert await until(lambda: len(processes_with(mark)) <= 2 * one, 20) < 20


async def test_a_server_declared_to_be_shared_keeps_one_session_for_all(pool: ServerPool) -> None:
    async with http_upstream(Transport.STREAMABLE_HTTP, "--legacy") as running:
        server = replace(running.server(), sharing=Sharing.SHARED)
        assert [await counted(pool, server, owner) for owner in ("ada", "bob")] == ["1", "2"]

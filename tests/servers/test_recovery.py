"""An upstream that dies is named, and used again as soon as it lives; nothing is executed twice."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import uuid

import pytest

from domain.errors import UpstreamError, UpstreamUnreachable
from domain.servers import ServerStatus, Transport, UpstreamServer
from servers.failures import NoConnection
from servers.limits import Deadlines
from servers.pool import ServerPool
from tests.servers.conftest import QUICK, MakePool, processes_with
from tests.upstreams.running import HttpUpstream, http_upstream, stdio_server

pytestmark = pytest.mark.anyio


def count_of(raw: object) -> str:
    assert isinstance(raw, dict)
    return str(raw["content"][0]["text"])


async def test_a_child_that_dies_in_a_call_is_named_with_its_last_words_and_started_again(pool: ServerPool) -> None:
    server = stdio_server("hostile", "dies-in-call")
    await pool.list_tools(server)
    with pytest.raises(
        UpstreamUnreachable, match=r"died while it worked on tools/call \(exit code 137\): segmentation"
    ):
        await pool.call(server, "good", {})
    assert len((await pool.list_tools(server)).documents) == 1


async def test_a_child_killed_while_idle_is_started_again_without_a_word(pool: ServerPool) -> None:
    mark = uuid.uuid4().hex
    server = stdio_server("reference", env={"MARK": mark})
    await pool.call(server, "counter", {})
    for pid in processes_with(mark):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(UpstreamUnreachable):
        assert count_of((await pool.call(server, "counter", {})).raw) == "1"
    assert count_of((await pool.call(server, "echo", {"text": "back"})).raw) == "back"


@pytest.mark.parametrize("transport", [Transport.STREAMABLE_HTTP, Transport.SSE])
@pytest.mark.parametrize("era", [(), ("--legacy",)], ids=["modern", "handshake"])
async def test_a_server_gone_between_requests_is_named_and_used_again_when_it_is_back(
    pool: ServerPool, transport: Transport, era: tuple[str, ...]
) -> None:
    async with http_upstream(transport, *era) as first:
        server = first.server()
        assert count_of((await pool.call(server, "counter", {})).raw) == "1"
        await first.kill()
        with pytest.raises(UpstreamUnreachable, match=r"Server 'up' (cannot be reached at http|could not be sent)"):
            await gone(pool, server)
        async with http_upstream(transport, *era, port=first.port):
            assert count_of((await pool.call(server, "counter", {})).raw) == "1"
            assert pool.health("t", "up").status is ServerStatus.READY
            assert len((await pool.list_tools(server)).documents) > 1


async def gone(pool: ServerPool, server: UpstreamServer) -> None:
    """Call until the death has been noticed: an event stream learns of it a moment after us."""
    for _ in range(50):
        try:
            await pool.call(server, "echo", {"text": "anybody?"})
        except UpstreamUnreachable as error:
            if "closed the connection" in error.message or "broke the connection" in error.message:
                continue
            raise


async def test_a_lost_session_is_rebuilt_once_for_all_callers_and_calls_run_once(pool: ServerPool) -> None:
    async with http_upstream(Transport.STREAMABLE_HTTP, "--legacy") as first:
        server = first.server()
        await pool.call(server, "counter", {})
        await first.kill()
        async with http_upstream(Transport.STREAMABLE_HTTP, "--legacy", port=first.port):
            counts = await asyncio.gather(*(pool.call(server, "counter", {}) for _ in range(8)))
            assert sorted(count_of(count.raw) for count in counts) == [str(n) for n in range(1, 9)]


@pytest.mark.parametrize("transport", [Transport.STREAMABLE_HTTP, Transport.SSE])
async def test_a_server_that_dies_under_a_call_fails_the_call_and_cancels_nobody(
    pool: ServerPool, transport: Transport
) -> None:
    async with http_upstream(transport) as running:
        server = running.server()
        calls = [asyncio.create_task(pool.call(server, "slow", {"seconds": 600, "label": "a"})) for _ in range(3)]
        await pool.call(server, "running", {"label": "a", "count": 3})
        await running.kill()
        outcomes = await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), 20)
    assert all(isinstance(outcome, UpstreamError) and "'up'" in outcome.message for outcome in outcomes), outcomes
    assert asyncio.current_task() is not None
    assert not any(call.cancelled() for call in calls)


async def test_a_server_that_is_not_there_fails_every_caller_with_the_same_sentence(pool: ServerPool) -> None:
    async with http_upstream(Transport.STREAMABLE_HTTP) as running:
        server = running.server()
    outcomes = await asyncio.gather(*(pool.list_tools(server) for _ in range(5)), return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {NoConnection}
    assert len({str(outcome) for outcome in outcomes}) == 1
    assert str(outcomes[0]).startswith(f"Server 'up' cannot be reached at {server.launch.url}")


async def test_an_idle_connection_is_closed_cleanly_and_opened_again(make_pool: MakePool) -> None:
    mark = uuid.uuid4().hex
    pool = make_pool(Deadlines(idle_s=0.2, stop_s=QUICK.stop_s))
    server = stdio_server("reference", env={"MARK": mark})
    assert count_of((await pool.call(server, "counter", {})).raw) == "1"
    async with asyncio.timeout(30):
        while pool.health("t", "up").status is not ServerStatus.IDLE or processes_with(mark):
            await asyncio.to_thread(processes_with, mark)
    assert pool.health("t", "up").error is None
    assert count_of((await pool.call(server, "counter", {})).raw) == "1"


async def test_an_idle_handshake_session_is_ended_at_the_server(make_pool: MakePool) -> None:
    pool = make_pool()
    async with http_upstream(Transport.STREAMABLE_HTTP, "--legacy") as running:
        await pool.call(running.server(), "counter", {})
        await pool.aclose()
        assert await deletes_of(running) == "1"


async def deletes_of(running: HttpUpstream) -> str:
    other = ServerPool()
    try:
        return count_of((await other.call(running.server(), "deletes", {})).raw)
    finally:
        await other.aclose()


async def test_changed_settings_open_a_new_connection_and_close_the_old_one(pool: ServerPool) -> None:
    before, after = uuid.uuid4().hex, uuid.uuid4().hex
    await pool.call(stdio_server("reference", env={"MARK": before}), "counter", {})
    raw = (await pool.call(stdio_server("reference", env={"MARK": after}), "environment", {})).raw
    assert raw["structuredContent"]["MARK"] == after
    await pool.aclose()
    assert processes_with(before) | processes_with(after) == set()

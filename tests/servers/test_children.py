"""What a child is given, and that none outlives us."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest
import uvloop

from domain.servers import Launch, Transport, UpstreamServer
from servers.children.stdio import INHERITED
from servers.pool import ServerPool
from tests.servers.conftest import processes_with
from tests.upstreams.running import ROOT, stdio_server

GATEWAY = """
import asyncio, sys
from servers.pool import ServerPool
from tests.upstreams.running import stdio_server

async def main():
    pool = ServerPool()
    await pool.list_tools(stdio_server("hostile", sys.argv[1], env={"MARK": sys.argv[2]}))
    print("ready", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def await_none(mark: str, seconds: float) -> float:
    """Seconds until no process carries the mark. Fails after `seconds`."""
    started = time.monotonic()
    while living := processes_with(mark):
        assert time.monotonic() - started < seconds, f"still there: {living}"
    return time.monotonic() - started


@pytest.mark.parametrize("mode", ["chatty", "stubborn"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_no_child_outlives_a_gateway_that_is_killed(mode: str, number: signal.Signals) -> None:
    mark = uuid.uuid4().hex
    gateway = subprocess.Popen([sys.executable, "-c", GATEWAY, mode, mark], stdout=subprocess.PIPE, cwd=ROOT)
    assert gateway.stdout is not None
    assert gateway.stdout.readline() == b"ready\n"
    assert len(processes_with(mark)) >= 2
    gateway.send_signal(number)
    gateway.wait(10)
    gateway.stdout.close()
    await_none(mark, 5.0)


@pytest.mark.anyio
async def test_a_child_that_ignores_every_request_to_end_is_gone_when_the_pool_is_closed(pool: ServerPool) -> None:
    mark = uuid.uuid4().hex
    await pool.list_tools(stdio_server("hostile", "stubborn", env={"MARK": mark}))
    assert len(processes_with(mark)) == 3, "supervisor, server, daemonised grandchild"
    started = time.monotonic()
    await pool.aclose()
    assert time.monotonic() - started < 5.0
    assert processes_with(mark) == set()


def test_children_live_and_die_the_same_under_uvloop() -> None:
    mark = uuid.uuid4().hex

    async def use() -> int:
        pool = ServerPool()
        try:
            return len((await pool.list_tools(stdio_server("hostile", "stubborn", env={"MARK": mark}))).documents)
        finally:
            await pool.aclose()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(use()) == 1
    await_none(mark, 5.0)


@pytest.mark.anyio
async def test_a_child_gets_a_few_names_of_our_environment_and_its_own(
    pool: ServerPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOOLCRIB_MASTER_KEY", "do not hand this on")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nor this")
    raw = (await pool.call(stdio_server("reference", env={"API_TOKEN": "its own"}), "environment", {})).raw
    environment = raw["structuredContent"]
    assert environment["API_TOKEN"] == "its own"
    assert set(environment) - {"API_TOKEN"} <= {*INHERITED, "LC_CTYPE"}
    assert environment["PATH"] == os.environ["PATH"]


@pytest.mark.anyio
async def test_arguments_reach_the_command_as_written_and_no_shell_sees_them(pool: ServerPool) -> None:
    code = "import sys; print(sys.argv[1:], file=sys.stderr)"
    words = ("$(id)", "; ls", "a b", "`x`", "*", "ünï", "")
    launch = Launch(Transport.STDIO, (sys.executable, "-c", code, *words))
    with pytest.raises(Exception, match="died at start"):
        await pool.list_tools(UpstreamServer("t", "up", "Up", launch))
    assert pool.stderr("t", "up").strip().splitlines()[-1] == str(list(words))


@pytest.mark.anyio
async def test_open_files_return_to_where_they_were() -> None:
    def opened() -> int:
        return sum(1 for _ in Path("/proc/self/fd").iterdir())

    async def once() -> None:
        pool = ServerPool()
        await pool.list_tools(stdio_server("hostile", "chatty"))
        await pool.aclose()

    await once()
    before = opened()
    for _ in range(3):
        await once()
    assert opened() <= before

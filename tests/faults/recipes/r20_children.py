"""R20: hostile children. None outlives the pool, or a gateway that is killed; restarts slow down, stderr is kept."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
import uuid

from benchmarks.report import Promise
from domain.errors import ToolcribError
from servers.transports.wire import STDERR_BYTES
from tests.faults.parts import a_pool, seconds_of, until
from tests.servers.conftest import processes_with
from tests.servers.test_children import GATEWAY
from tests.upstreams.running import ROOT, stdio_server

MODES = ("stubborn", "stderr-flood", "garbage", "exits", "hangs")
WITHIN_S = 5.0


async def run(*, full: bool) -> list[Promise]:
    rounds = 10 if full else 1
    left_after_close = left_after_kill = 0.0
    stderr = 0
    for _ in range(rounds):
        for mode in MODES:
            left, kept = await _closed(mode)
            left_after_close, stderr = max(left_after_close, left), max(stderr, kept)
        left_after_kill = max(left_after_kill, await asyncio.to_thread(_killed, "stubborn"))
    starts = await _hammered(20.0 if full else 6.0)
    return [
        Promise("r20_children_gone_after_close", left_after_close, WITHIN_S, "s"),
        Promise("r20_children_gone_after_kill_9", left_after_kill, WITHIN_S, "s"),
        Promise("r20_stderr_kept", stderr / 1024, STDERR_BYTES / 1024, "KiB"),
        # Five at once, then one after each pause of at least a second.
        Promise("r20_starts_under_fire", starts, 5 + (20.0 if full else 6.0)),
    ]


async def _closed(mode: str) -> tuple[float, int]:
    """Seconds until no process of the server is left after the pool was closed, and the bytes of stderr kept."""
    mark = uuid.uuid4().hex
    server = stdio_server("hostile", mode, slug="child", env={"MARK": mark})
    async with a_pool() as pool:
        work = asyncio.create_task(seconds_of(lambda: pool.list_tools(server)))
        await asyncio.wait({work}, timeout=3.0)
        kept = len(pool.stderr("t", "child").encode())
        began = time.perf_counter()
    await work
    gone = await until(lambda: not processes_with(mark), WITHIN_S + 5)
    return gone if gone == float("inf") else time.perf_counter() - began, kept


def _killed(mode: str) -> float:
    """Seconds until no child of a gateway process is left that died by SIGKILL."""
    mark = uuid.uuid4().hex
    with subprocess.Popen([sys.executable, "-c", GATEWAY, mode, mark], stdout=subprocess.PIPE, cwd=ROOT) as gateway:
        assert gateway.stdout is not None
        gateway.stdout.readline()
        gateway.send_signal(signal.SIGKILL)
        gateway.wait(10)
    began = time.perf_counter()
    while processes_with(mark):
        if time.perf_counter() - began > WITHIN_S + 5:
            return float("inf")
        time.sleep(0.02)
    return time.perf_counter() - began


async def _hammered(seconds: float) -> float:
    """How often a server that exits at once is started while callers ask for it all the time."""
    server = stdio_server("hostile", "exits", slug="child")
    starts = 0
    async with a_pool() as pool:
        until_then = time.monotonic() + seconds
        while time.monotonic() < until_then:
            _, outcome = await seconds_of(lambda: pool.call(server, "any", {}))
            assert isinstance(outcome, ToolcribError), outcome
            starts += "died at start" in outcome.message and "left alone" not in outcome.message
            await asyncio.sleep(0.01)
    return float(starts)

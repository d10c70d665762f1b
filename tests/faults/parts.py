"""What the recipes share: the counting upstream as a process, pools with short deadlines, times of calls."""

from __future__ import annotations

import asyncio
import json
import sys
import time
import urllib.request
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from domain.errors import ToolcribError
from domain.servers import Launch, Transport, UpstreamServer
from servers.limits import Backoff, Caps, Deadlines, Limits
from servers.pool import ServerPool
from tests.upstreams.running import ROOT, START_S


@dataclass(frozen=True, slots=True)
class CountingUpstream:
    """A running `tests.faults.counting`."""

    port: int

    def server(self, number: int = 0, *, through: int | None = None, slug: str | None = None) -> UpstreamServer:
        """One of its servers, reached through a proxy's port where one is given."""
        url = f"http://127.0.0.1:{through or self.port}/{number}/mcp"
        name = slug or f"s{number}"
        return UpstreamServer("t", name, name.title(), Launch(Transport.STREAMABLE_HTTP, url=url), trusted=True)

    async def report(self) -> dict[str, Any]:
        found: dict[str, Any] = await self._get("/report")
        return found

    async def switch(self, numbers: list[int], *, down: bool) -> None:
        await self._get(f"/switch?servers={','.join(map(str, numbers))}&down={int(down)}")

    async def _get(self, path: str) -> Any:
        def read() -> Any:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}") as answer:
                return json.load(answer)

        return await asyncio.to_thread(read)


@asynccontextmanager
async def counting_upstream() -> AsyncIterator[CountingUpstream]:
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.faults.counting", stdout=PIPE, cwd=ROOT)
    assert process.stdout is not None
    port = int(await asyncio.wait_for(process.stdout.readline(), START_S))
    try:
        yield CountingUpstream(port)
    finally:
        process.kill()
        await process.wait()


@asynccontextmanager
async def a_pool(
    deadlines: Deadlines | None = None, caps: Caps | None = None, backoff: Backoff | None = None
) -> AsyncIterator[ServerPool]:
    pool = ServerPool(Limits(deadlines or Deadlines(stop_s=0.5), caps or Caps(), backoff or Backoff()))
    try:
        yield pool
    finally:
        await pool.aclose()


async def seconds_of(work: Callable[[], Awaitable[object]]) -> tuple[float, object]:
    """How long it took, and what came out: a value or the exception."""
    began = time.perf_counter()
    outcome: object
    try:
        outcome = await work()
    except (ToolcribError, OSError, EOFError) as error:
        outcome = error
    return time.perf_counter() - began, outcome


@dataclass(slots=True)
class Waiting:
    """For how long the processes of a measurement have been kept from the CPU by others since this was made."""

    pids: Sequence[int]
    before: list[float] = field(init=False)

    def __post_init__(self) -> None:
        self.before = [in_line_s(pid) for pid in self.pids]

    @property
    def seconds(self) -> float:
        """Of the one that waited most: they wait for each other as well, so sums would count twice."""
        return max(in_line_s(pid) - before for pid, before in zip(self.pids, self.before, strict=True))


def off_by(took: float, wanted: float, waited: float) -> float:
    """How far a deadline was missed: too early by the clock, or too late by our own doing."""
    return max(0.0, wanted - took, took - waited - wanted)


def in_line_s(pid: int) -> float:
    """Seconds for which the main thread of a process was ready to run and no CPU was free: the share of others."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    except OSError:
        return 0.0  # this system does not tell


async def until(holds: Callable[[], bool], seconds: float) -> float:
    """Seconds until it holds; infinite when it did not in time."""
    began = time.perf_counter()
    while time.perf_counter() - began < seconds:
        if holds():
            return time.perf_counter() - began
        await asyncio.sleep(0.01)
    return float("inf")


def p99(values: list[float]) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))]

"""Connect, call, close, a thousand times; restart an upstream two hundred times: nothing may be left behind.

    python -m benchmarks.leaks [--cycles 100] [--restarts 20]        N=full: 1,000 and 200, kept

Counted before and after, once everything had time to end: file descriptors, asyncio tasks, threads, child processes of
this process. The cycles take turns over all transports and eras; restarts kill the upstream under an open connection.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import os
import signal
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.report import Promise, finish
from domain.errors import UpstreamError
from domain.servers import Launch, Transport, UpstreamServer
from servers.limits import Backoff, Deadlines, Limits
from servers.pool import ServerPool
from tests.servers.conftest import processes_with
from tests.upstreams.running import http_upstream, stdio_server

LIMITS = Limits(Deadlines(stop_s=0.5), backoff=Backoff(failures=1_000))
SETTLE_S = 5.0
KINDS = (Transport.STREAMABLE_HTTP, Transport.SSE)
ERAS: tuple[tuple[str, ...], ...] = ((), ("--legacy",))


@dataclass(frozen=True, slots=True)
class Held:
    """What this process holds."""

    descriptors: int
    tasks: int
    threads: int
    children: int

    @classmethod
    def now(cls) -> Held:
        gc.collect()
        return cls(
            len(list(Path("/proc/self/fd").iterdir())),
            len(asyncio.all_tasks()),
            threading.active_count(),
            len(psutil.Process().children(recursive=True)),
        )

    def beyond(self, base: Held) -> dict[str, int]:
        return {name: getattr(self, name) - getattr(base, name) for name in self.__slots__}


def main() -> None:
    full = os.environ.get("N") == "full"
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cycles", type=int, default=1_000 if full else 100)
    parser.add_argument("--restarts", type=int, default=200 if full else 20)
    asked = parser.parse_args()
    logging.getLogger("mcp").setLevel(logging.CRITICAL)  # it tells of every restart
    began = time.perf_counter()
    cycles, restarts = asyncio.run(_measure(asked.cycles, asked.restarts))
    promises = [
        Promise(f"{name}_left_after_{what}", left, 0)
        for what, found in ((f"{asked.cycles}_cycles", cycles), (f"{asked.restarts}_restarts", restarts))
        for name, left in found.items()
    ]
    finish("leaks", promises, {"took_s": round(time.perf_counter() - began, 1)}, keep=full)


async def _measure(cycles: int, restarts: int) -> tuple[dict[str, int], dict[str, int]]:
    async with AsyncExitStack() as stack:
        servers = [stdio_server("reference", slug="child")]
        for transport in KINDS:
            for era in ERAS:
                upstream = await stack.enter_async_context(http_upstream(transport, *era))
                servers.append(upstream.server(f"h{len(servers)}"))
        await _cycle(servers, 2 * len(servers))  # what is made once and kept: the TLS context, the thread of a pool
        base = Held.now()
        await _cycle(servers, cycles)
        after_cycles = await _settled(base)
        await _restart(restarts)
        return after_cycles, await _settled(base)


async def _cycle(servers: list[UpstreamServer], cycles: int) -> None:
    for number in range(cycles):
        # Four of five go over HTTP: a child of ours takes half a second to start.
        server = servers[number % len(servers)]
        pool = ServerPool(LIMITS)
        await pool.call(server, "echo", {"text": "x"})
        await pool.aclose()


async def _restart(restarts: int) -> None:
    """One pool; its child is killed, or its server replaced on the same port, under the open connection."""
    pool = ServerPool(LIMITS)
    mark = uuid.uuid4().hex
    child = stdio_server("reference", slug="child", env={"MARK": mark})
    port = 0
    for number in range(restarts):
        if number % 2:
            await _until_it_answers(pool, child)
            for pid in processes_with(mark):
                os.kill(pid, signal.SIGKILL)
            continue
        async with http_upstream(Transport.STREAMABLE_HTTP, *ERAS[number // 2 % 2], port=port) as upstream:
            port = upstream.port
            server = UpstreamServer("t", "http", "Http", Launch(Transport.STREAMABLE_HTTP, url=upstream.url))
            await _until_it_answers(pool, server)
    await pool.aclose()


async def _until_it_answers(pool: ServerPool, server: UpstreamServer) -> None:
    """A call may meet the death of the server before it; the next one has to work."""
    for _ in range(3):
        try:
            await pool.call(server, "echo", {"text": "x"})
        except UpstreamError:
            continue
        return
    raise AssertionError(f"{server.slug} did not come back")


async def _settled(base: Held) -> dict[str, int]:
    """What is held beyond the base once nothing changes for the better any more."""
    return await _best(lambda: Held.now().beyond(base), SETTLE_S)


async def _best(look: Callable[[], dict[str, int]], seconds: float) -> dict[str, int]:
    until = time.monotonic() + seconds
    found = look()
    while any(left > 0 for left in found.values()) and time.monotonic() < until:
        await asyncio.sleep(0.1)
        found = look()
    return found


if __name__ == "__main__":
    main()

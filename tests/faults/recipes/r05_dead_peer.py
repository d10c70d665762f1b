"""R5: a peer that is gone, with a reset or without a word: a named error within the deadline, nothing left open.

Without a word means two things. A program that hangs keeps its system alive, which acknowledges every byte: only the
caller's deadline ends the call. A machine that is gone acknowledges nothing: that is noticed long before the deadline,
whether the request had arrived (keep-alive) or not (no acknowledgement).
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from benchmarks.report import Promise
from domain.errors import UpstreamTimeout, UpstreamUnreachable
from domain.servers import Launch, Transport, UpstreamServer
from servers.failures import ConnectionLost
from servers.pool import ServerPool
from tests.faults.parts import Waiting, a_pool, counting_upstream, off_by, seconds_of, until
from tests.faults.proxy import Fault, fault_proxy
from tests.upstreams.running import HttpUpstream, http_upstream

DEADLINE_S = 1.0
NOTICED_S = 15.0 + 5.0
PATIENCE_S = 40.0

WAYS: tuple[tuple[Transport, tuple[str, ...]], ...] = (
    (Transport.STREAMABLE_HTTP, ()),
    (Transport.STREAMABLE_HTTP, ("--legacy",)),
    (Transport.SSE, ("--legacy",)),
)


async def run(*, full: bool) -> list[Promise]:
    late, resets, unnamed, back = await _in_rounds(20 if full else 3)
    noticed: dict[str, float] = {}
    for _ in range(3 if full else 1):
        for ends in await asyncio.gather(*(_vanish(*way) for way in WAYS)):
            for name, seconds, named in ends:
                noticed[name] = max(noticed.get(name, 0.0), seconds)
                unnamed += not named
    slowest = max(noticed, key=lambda name: noticed[name])
    return [
        Promise("r05_half_open_over_deadline", late, 0.25, "s"),
        Promise("r05_reset_noticed_in", resets, 1.0, "s"),
        Promise(f"r05_vanished_peer_noticed_in[{slowest}]", noticed[slowest], NOTICED_S, "s"),
        Promise("r05_errors_without_a_name", unnamed, 0),
        Promise("r05_open_files_back_to_base_in", back, 5.0, "s"),
    ]


async def _in_rounds(rounds: int) -> tuple[float, float, int, float]:
    """Seconds beyond the deadline, until a reset was noticed, ends without a name, seconds until no file was left."""
    late, resets, unnamed = 0.0, 0.0, 0
    async with counting_upstream() as upstream, fault_proxy(upstream.port) as proxy:
        base = 0
        for number in range(rounds + 1):
            async with a_pool() as pool:
                server = upstream.server(through=proxy.port)
                await pool.call(server, "once", {"label": "warm"})

                async def call() -> object:
                    return await pool.call(server, "once", {"label": "x"}, timeout_s=DEADLINE_S)  # noqa: B023

                proxy.fault = Fault.HALF_OPEN
                waiting = Waiting((os.getpid(),))
                took, outcome = await seconds_of(call)
                late = max(late, off_by(took, DEADLINE_S, waiting.seconds))
                unnamed += not isinstance(outcome, UpstreamTimeout)
                proxy.fault = Fault.RESET_IN_ANSWER
                waiting = Waiting((os.getpid(),))
                took, outcome = await seconds_of(call)
                resets = max(resets, took - waiting.seconds)
                unnamed += not isinstance(outcome, ConnectionLost)
                proxy.fault = Fault.PASS
                _, outcome = await seconds_of(call)
                unnamed += isinstance(outcome, Exception)
            await proxy.drop_all()
            if number == 0:
                base = open_files()
        back = await until(lambda: open_files() <= base, 5.0)
    return late, resets, unnamed, back


async def _vanish(transport: Transport, era: tuple[str, ...]) -> list[tuple[str, float, bool]]:
    """Calls at work and being sent when their server vanishes: which way, seconds, whether the end was named."""
    async with http_upstream(transport, *era) as upstream:
        name = " ".join([transport.value, *era])
        return [
            (f"{name}:{what}", *ended)
            for what, ended in zip(
                ("working", "sending"),
                await asyncio.gather(_vanished(upstream, at_work=True), _vanished(upstream, at_work=False)),
                strict=True,
            )
        ]


async def _vanished(upstream: HttpUpstream, *, at_work: bool) -> tuple[float, bool]:
    async with fault_proxy(upstream.port) as proxy, a_pool() as pool:
        path = upstream.url.rpartition("/")[2]
        launch = Launch(upstream.transport, url=f"http://127.0.0.1:{proxy.port}/{path}")
        server = UpstreamServer("t", "gone", "Gone", launch)
        await pool.call(server, "echo", {"text": "warm"})
        if at_work:
            call = asyncio.create_task(_slow(pool, server))
            await pool.call(server, "running", {"label": "x", "count": 1})
            proxy.vanish()
        else:
            proxy.vanish()
            call = asyncio.create_task(_slow(pool, server))
        took, outcome = await seconds_of(lambda: call)
        await proxy.drop_all()
    return took, isinstance(outcome, UpstreamUnreachable)


async def _slow(pool: ServerPool, server: UpstreamServer) -> object:
    return await pool.call(server, "slow", {"seconds": 600, "label": "x"}, timeout_s=PATIENCE_S)


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))

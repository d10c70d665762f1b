"""R8: deadlines of connecting, listing, calling and idling against black holes end on time, and cancel upstream."""

from __future__ import annotations

import asyncio
import os
import time

from benchmarks.report import Promise
from domain.errors import UpstreamTimeout
from domain.servers import Launch, ServerStatus, Transport, UpstreamServer
from servers.limits import Deadlines
from servers.pool import ServerPool
from tests.faults.parts import Waiting, a_pool, counting_upstream, off_by, seconds_of, until
from tests.faults.proxy import Fault, FaultProxy, fault_proxy
from tests.upstreams.running import http_upstream, stdio_server

DEADLINE_S = 1.5
SHORT = Deadlines(connect_s=DEADLINE_S, probe_s=0.5, list_s=DEADLINE_S, call_s=DEADLINE_S, stop_s=0.5)


async def run(*, full: bool) -> list[Promise]:
    rounds = 10 if full else 1
    off: dict[str, float] = {}
    unnamed = 0
    for _ in range(rounds):
        for transport in (Transport.STREAMABLE_HTTP, Transport.SSE):
            unnamed += await _over_http(transport, off)
        unnamed += await _over_stdio(off)
    idle = await _idle()
    cancelled = await _cancelled(40 if full else 10)
    worst = max(off, key=lambda name: off[name])
    return [
        Promise(f"r08_worst_of_{len(off)}_deadlines_off_by[{worst}]", off[worst], 0.25, "s"),
        Promise("r08_ends_without_a_timeout_error", unnamed, 0),
        Promise("r08_idle_close_off_by", idle, 0.25, "s"),
        Promise("r08_share_cancelled_upstream", cancelled, 1.0, at_most=False),
    ]


async def _over_http(transport: Transport, off: dict[str, float]) -> int:
    unnamed = 0
    async with http_upstream(transport) as upstream, fault_proxy(upstream.port) as proxy:
        path = upstream.url.rpartition("/")[2]
        launch = Launch(transport, url=f"http://127.0.0.1:{proxy.port}/{path}")
        server = UpstreamServer("t", "hole", "Hole", launch)
        async with a_pool(SHORT) as pool:
            proxy.fault = Fault.BLACK_HOLE
            unnamed += await _timed(pool, server, f"{transport.value}:connect", off)
        for what in ("list", "call"):
            async with a_pool(Deadlines(list_s=DEADLINE_S, call_s=DEADLINE_S, stop_s=0.5)) as pool:
                await _opened(proxy, pool, server)
                proxy.fault = Fault.HALF_OPEN
                unnamed += await _timed(pool, server, f"{transport.value}:{what}", off)
                proxy.fault = Fault.PASS
    return unnamed


async def _opened(proxy: FaultProxy, pool: ServerPool, server: UpstreamServer) -> None:
    proxy.fault = Fault.PASS
    await proxy.drop_all()
    await pool.call(server, "echo", {"text": "open"}, timeout_s=20)


async def _over_stdio(off: dict[str, float]) -> int:
    async with a_pool(SHORT) as pool:
        unnamed = await _timed(pool, stdio_server("hostile", "hangs", slug="mute"), "stdio:connect", off)
    async with a_pool(Deadlines(call_s=DEADLINE_S, stop_s=0.5)) as pool:
        server = stdio_server("reference", slug="slow")
        await pool.list_tools(server)
        waiting = Waiting((os.getpid(),))
        took, outcome = await seconds_of(lambda: pool.call(server, "slow", {"seconds": 600, "label": "x"}))
        off["stdio:call"] = max(off.get("stdio:call", 0.0), off_by(took, DEADLINE_S, waiting.seconds))
        return unnamed + (not isinstance(outcome, UpstreamTimeout))


async def _timed(pool: ServerPool, server: UpstreamServer, name: str, off: dict[str, float]) -> int:
    """Note how far off the deadline it ended; 1 when it ended in something else than a timeout."""

    async def work() -> object:
        if name.endswith("call"):
            return await pool.call(server, "echo", {"text": "x"})
        return await pool.list_tools(server)

    waiting = Waiting((os.getpid(),))
    took, outcome = await seconds_of(work)
    off[name] = max(off.get(name, 0.0), off_by(took, DEADLINE_S, waiting.seconds))
    return not isinstance(outcome, UpstreamTimeout)


async def _idle() -> float:
    async with counting_upstream() as upstream, a_pool(Deadlines(idle_s=DEADLINE_S, stop_s=0.5)) as pool:
        server = upstream.server()
        await pool.list_tools(server)
        waiting, began = Waiting((os.getpid(),)), time.perf_counter()
        await until(lambda: pool.health("t", server.slug).status is ServerStatus.IDLE, 10.0)
        return off_by(time.perf_counter() - began, DEADLINE_S, waiting.seconds)


async def _cancelled(calls: int) -> float:
    """The share of timed-out calls whose server learnt of it within a second."""
    async with counting_upstream() as upstream, a_pool() as pool:
        server = upstream.server()
        await pool.list_tools(server)
        late = [pool.call(server, "slow", {"label": f"c{n}"}, timeout_s=0.5) for n in range(calls)]
        await asyncio.gather(*late, return_exceptions=True)
        await asyncio.sleep(1.0)
        report = await upstream.report()
        begun = [label for label in report["executed"] if label.startswith("c")]
        return len(report["cancelled"]) / max(1, len(begun))

"""R10: a server that fails every request is left alone, is tried by one request at a time, and is back soon."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from benchmarks.report import Promise
from domain.servers import Circuit
from servers.failures import CircuitOpen
from tests.faults.parts import a_pool, counting_upstream, p99, seconds_of
from tests.faults.proxy import Fault, fault_proxy


async def run(*, full: bool) -> list[Promise]:
    samples = 2_000 if full else 300
    async with counting_upstream() as upstream, fault_proxy(upstream.port) as proxy, a_pool() as pool:
        server = upstream.server(through=proxy.port)
        await pool.list_tools(server)

        async def call() -> object:
            return await pool.call(server, "once", {"label": "x"})

        proxy.fault = Fault.RESET
        failures = 0
        while not isinstance((await seconds_of(call))[1], CircuitOpen):
            failures += 1
        visible = pool.health("t", server.slug).circuit is not Circuit.CLOSED

        proxy.fault = Fault.BLACK_HOLE
        await proxy.drop_all()
        before = proxy.accepted
        refusals: list[float] = []
        until = time.monotonic() + 2.0  # in this time the one that tries is swallowed
        tries = []
        while time.monotonic() < until or len(refusals) < samples:
            one = asyncio.create_task(seconds_of(call))
            done, _ = await asyncio.wait({one}, timeout=0.05)
            if not done:
                tries.append(one)
            elif isinstance(one.result()[1], CircuitOpen):
                refusals.append(one.result()[0])
            if len(refusals) % 50 == 0:
                await asyncio.sleep(0.01)
        probes = proxy.accepted - before

        proxy.fault = Fault.PASS
        back = await _back(call)
        await asyncio.gather(*tries)
    return [
        Promise("r10_failures_until_open", failures, 5),
        Promise("r10_open_answer_p99", p99(refusals) * 1e3, 5.0, "ms"),
        Promise("r10_requests_that_try_at_once", probes, 1),
        Promise("r10_closed_after_recovery", back, 10.0, "s"),
        Promise("r10_state_visible", float(visible), 1.0, at_most=False),
    ]


async def _back(call: Callable[[], Awaitable[object]]) -> float:
    """Seconds until a call succeeds, asked twenty times a second."""
    began = time.monotonic()
    for _ in range(600):
        if not isinstance((await seconds_of(call))[1], Exception):
            return time.monotonic() - began
        await asyncio.sleep(0.05)
    return float("inf")

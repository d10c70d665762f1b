"""R6: one server drips a byte a second under a hundred calls: its line has an end, and nobody else waits."""

from __future__ import annotations

import asyncio
from statistics import median

from benchmarks.report import Promise
from domain.errors import Overloaded
from tests.faults.parts import a_pool, counting_upstream, p99, seconds_of
from tests.faults.proxy import Fault, fault_proxy

CALLS, PLACES = 100, 16 + 64


async def run(*, full: bool) -> list[Promise]:
    samples = 12_000 if full else 2_000
    async with counting_upstream() as upstream, fault_proxy(upstream.port) as proxy, a_pool() as pool:
        slow, other = upstream.server(1, through=proxy.port, slug="slow"), upstream.server(2, slug="other")
        await pool.list_tools(slow)

        async def call_other() -> object:
            return await pool.call(other, "once", {"label": "other"})

        async def times() -> list[float]:
            return [(await seconds_of(call_other))[0] for _ in range(samples // 4)]

        async def load() -> list[asyncio.Task[object]]:
            proxy.fault = Fault.DRIP
            calls = [
                asyncio.create_task(pool.call(slow, "once", {"label": "slow"}, timeout_s=600)) for _ in range(CALLS)
            ]
            await asyncio.sleep(0.2)
            return calls  # type: ignore[return-value]

        await times()
        quiet: list[list[float]] = []
        loaded: list[list[float]] = []
        refused, wait = 0, 0.0
        for _ in range(4):  # quiet and loaded stretches in turns: a noisy neighbour hits both
            quiet.append(await times())
            calls = await load()
            loaded.append(await times())
            outcomes = [call.exception() for call in calls if call.done()]
            refused = sum(1 for outcome in outcomes if isinstance(outcome, Overloaded))
            wait = max((o.retry_after_s or 0.0 for o in outcomes if isinstance(o, Overloaded)), default=0.0)
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
            proxy.fault = Fault.PASS
            await proxy.drop_all()
    return [
        Promise("r06_refused_of_100", refused, CALLS - PLACES, at_most=False),
        Promise("r06_refused_at_most", refused, CALLS - PLACES),
        Promise("r06_retry_after_given", wait, 1.0, "s", at_most=False),
        # Of each kind the best stretch: whoever else runs on this machine only adds.
        Promise("r06_others_p50_over_quiet", min(map(median, loaded)) / min(map(median, quiet)), 1.1, "x"),
        # A short stretch has five samples beyond its p99: the long form is the one that can tell 1.1.
        Promise("r06_others_p99_over_quiet", min(map(p99, loaded)) / min(map(p99, quiet)), 1.1 if full else 1.5, "x"),
    ]

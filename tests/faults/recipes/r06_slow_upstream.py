"""R6: one server drips a byte a second under a hundred calls: its line has an end, and nobody else waits."""

from __future__ import annotations

import asyncio
from statistics import median

from benchmarks.report import Promise
from domain.errors import Overloaded
from domain.servers import UpstreamServer
from servers.pool import ServerPool
from tests.faults.paired import Ratio, in_turns
from tests.faults.parts import a_pool, counting_upstream, p99, seconds_of, until
from tests.faults.proxy import Fault, FaultProxy, fault_proxy

CALLS, IN_FLIGHT, QUEUED = 100, 16, 64
REFUSED = CALLS - IN_FLIGHT - QUEUED
ROUND, WARMING = 600, 60  # calls


async def run(*, full: bool) -> list[Promise]:
    async with counting_upstream() as upstream, fault_proxy(upstream.port) as proxy, a_pool() as pool:
        slow, other = upstream.server(1, through=proxy.port, slug="slow"), upstream.server(2, slug="other")
        crowd = _Crowd(pool, proxy, slow)
        await pool.list_tools(slow)

        async def call_other() -> object:
            return await pool.call(other, "once", {"label": "other"})

        async def quiet() -> list[float]:
            for _ in range(WARMING):
                await call_other()
            return [(await seconds_of(call_other))[0] for _ in range(ROUND)]

        async def crowded() -> list[float]:
            await crowd.gather()
            times = await quiet()
            await crowd.disperse()
            return times

        ratios = {"p50": Ratio(median, 1.1), "p99": Ratio(p99, 1.1)}
        await quiet()
        found = await in_turns(quiet, crowded, ratios, fewest=40 if full else 12, patience_s=240.0 if full else 60.0)
    return [
        Promise("r06_refused_of_100", min(crowd.refused), REFUSED, at_most=False),
        Promise("r06_refused_at_most", max(crowd.refused), REFUSED),
        Promise("r06_retry_after_given", min(crowd.waits), 1.0, "s", at_most=False),
        *(Promise(f"r06_others_{name}_over_quiet", found[name], ratios[name].target, "x") for name in ratios),
    ]


class _Crowd:
    """A hundred calls at once to the server that drips, and what the refused ones were told, round by round."""

    def __init__(self, pool: ServerPool, proxy: FaultProxy, slow: UpstreamServer) -> None:
        self.refused: list[int] = []
        self.waits: list[float] = []
        self._pool = pool
        self._proxy = proxy
        self._slow = slow
        self._calls: list[asyncio.Task[object]] = []

    async def gather(self) -> None:
        """Call, and wait until those that may are under way and those that may not know it."""
        self._proxy.fault = Fault.DRIP
        before = self._proxy.accepted
        self._calls = [asyncio.create_task(self._call()) for _ in range(CALLS)]
        await until(lambda: self._proxy.accepted - before >= IN_FLIGHT and len(self._done()) >= REFUSED, 5.0)

    async def disperse(self) -> None:
        outcomes = [call.exception() for call in self._done()]
        refusals = [outcome for outcome in outcomes if isinstance(outcome, Overloaded)]
        self.refused.append(len(refusals))
        self.waits.append(min((refusal.retry_after_s or 0.0 for refusal in refusals), default=0.0))
        for call in self._calls:
            call.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)
        self._proxy.fault = Fault.PASS
        await self._proxy.drop_all()

    async def _call(self) -> object:
        return await self._pool.call(self._slow, "once", {"label": "slow"}, timeout_s=600)

    def _done(self) -> list[asyncio.Task[object]]:
        return [call for call in self._calls if call.done()]

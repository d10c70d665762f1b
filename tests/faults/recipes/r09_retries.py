"""R9: calls under faults. What must not be repeated is executed at most once; what may be nearly always succeeds."""

from __future__ import annotations

import asyncio
import random

from benchmarks.report import Promise
from domain.errors import ToolcribError
from domain.servers import UpstreamServer
from servers.pool import ServerPool
from tests.faults.parts import a_pool, counting_upstream
from tests.faults.proxy import fault_proxy, some_of

FAULTS = 0.05
CALLERS = 8


async def run(*, full: bool) -> list[Promise]:
    calls = 10_000 if full else 6_000  # one in a thousand may fail: with fewer, chance decides
    async with counting_upstream() as upstream, fault_proxy(upstream.port) as proxy, a_pool() as pool:
        server = upstream.server(through=proxy.port)
        await pool.list_tools(server)
        proxy.draw = some_of(FAULTS, random.Random(9))
        once = await _call_all(pool, server, "once", calls)
        again = await _call_all(pool, server, "again", calls)
        executed = (await upstream.report())["executed"]
    duplicates = sum(count - 1 for label, count in executed.items() if label.startswith("once-"))
    lost = sum(1 for number, ok in enumerate(once) if ok and not executed.get(f"once-{number}"))
    failed = sum(1 for ok in once if not ok)
    return [
        Promise("r09_duplicates_of_once", duplicates, 0),
        Promise("r09_answered_but_not_executed", lost, 0),
        Promise("r09_faults_that_reached_callers", failed, 1, at_most=False),  # else nothing was tested
        Promise("r09_success_of_repeatable", sum(again) / calls, 0.999, at_most=False),
    ]


async def _call_all(pool: ServerPool, server: UpstreamServer, tool: str, calls: int) -> list[bool]:
    done = [False] * calls
    numbers = iter(range(calls))

    async def caller() -> None:
        for number in numbers:
            try:
                await pool.call(server, tool, {"label": f"{tool}-{number}"}, repeatable=tool == "again")
                done[number] = True
            except ToolcribError:
                """Counted by its absence."""

    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    return done

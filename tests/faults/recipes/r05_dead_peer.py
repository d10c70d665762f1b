"""R5: a peer that is gone, with a reset or without a word: a named error within the deadline, nothing left open."""

from __future__ import annotations

from pathlib import Path

from benchmarks.report import Promise
from domain.errors import UpstreamTimeout
from servers.failures import ConnectionLost
from tests.faults.parts import a_pool, counting_upstream, seconds_of, until
from tests.faults.proxy import Fault, fault_proxy

DEADLINE_S = 1.0


async def run(*, full: bool) -> list[Promise]:
    rounds = 20 if full else 3
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
                took, outcome = await seconds_of(call)
                late = max(late, took - DEADLINE_S)
                unnamed += not isinstance(outcome, UpstreamTimeout)
                proxy.fault = Fault.RESET_IN_ANSWER
                took, outcome = await seconds_of(call)
                resets = max(resets, took)
                unnamed += not isinstance(outcome, ConnectionLost)
                proxy.fault = Fault.PASS
                _, outcome = await seconds_of(call)
                unnamed += isinstance(outcome, Exception)
            await proxy.drop_all()
            if number == 0:
                base = open_files()
        back = await until(lambda: open_files() <= base, 5.0)
    return [
        Promise("r05_half_open_over_deadline", late, 0.25, "s"),
        Promise("r05_reset_noticed_in", resets, 1.0, "s"),
        Promise("r05_errors_without_a_name", unnamed, 0),
        Promise("r05_open_files_back_to_base_in", back, 5.0, "s"),
    ]


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))

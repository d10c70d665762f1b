"""R21: a handshake-era server restarts between calls and knows no session any more: the next call works, and soon."""

from __future__ import annotations

import os

from benchmarks.report import Promise
from domain.servers import Transport
from tests.faults.parts import Waiting, a_pool, seconds_of
from tests.upstreams.running import http_upstream


async def run(*, full: bool) -> list[Promise]:
    rounds = 20 if full else 2
    slowest, failed, others = 0.0, 0, 0
    async with a_pool() as pool, http_upstream(Transport.STREAMABLE_HTTP, "--legacy") as neighbour:
        beside = neighbour.server("beside")
        before = await _count(pool, beside)
        for number in range(rounds):
            async with http_upstream(Transport.STREAMABLE_HTTP, "--legacy") as first:
                server = first.server(f"up{number}")
                await pool.call(server, "counter", {})
                await first.kill()
                async with http_upstream(Transport.STREAMABLE_HTTP, "--legacy", port=first.port) as again:
                    waiting = Waiting((os.getpid(), again.process.pid))
                    took, outcome = await seconds_of(lambda: pool.call(server, "counter", {}))  # noqa: B023
                    slowest = max(slowest, took - waiting.seconds)
                    failed += isinstance(outcome, Exception)
            others += await _count(pool, beside) != before + number + 1
    return [
        Promise("r21_next_call_after_a_lost_session", slowest, 1.0, "s"),
        Promise("r21_failed_calls", failed, 0),
        Promise("r21_other_sessions_disturbed", others, 0),
    ]


async def _count(pool: object, server: object) -> int:
    raw = (await pool.call(server, "counter", {})).raw  # type: ignore[attr-defined]
    return int(raw["content"][0]["text"])

"""R4: a third of the servers comes and goes every two seconds. The others do not notice, and no tool is lost."""

from __future__ import annotations

import asyncio
import random
import time
from statistics import median

from benchmarks.report import Promise
from domain.servers import Circuit
from tests.faults.gateways import Gateway, a_gateway
from tests.faults.parts import CountingUpstream, counting_upstream, p99

TOGGLE_S = 2.0


async def run(*, full: bool) -> list[Promise]:
    servers = 100 if full else 20
    stretch_s, stretches = (60.0, 5) if full else (4.0, 2)
    flapping = list(range(servers * 3 // 10))
    async with counting_upstream() as upstream, a_gateway() as gateway:
        for number in range(servers):
            await gateway.register(f"s{number}", upstream.server(number).launch.url or "")
        healthy = [f"s{number}__once" for number in range(servers) if number not in flapping]
        quiet: list[list[float]] = []
        shaken: list[list[float]] = []
        failed = 0
        await _times(gateway, healthy, 1.0)
        for _ in range(stretches):
            times, _ = await _times(gateway, healthy, stretch_s)
            quiet.append(times)
            flap = asyncio.create_task(_flap(gateway, upstream, flapping))
            times, errors = await _times(gateway, healthy, stretch_s)
            shaken.append(times)
            failed += errors
            flap.cancel()
            await asyncio.gather(flap, return_exceptions=True)
        found, marked = await _lost(gateway, upstream, flapping)
    return [
        Promise("r04_errors_of_healthy_servers", failed, 0),
        Promise("r04_healthy_p50_over_quiet", min(map(median, shaken)) / min(map(median, quiet)), 1.2, "x"),
        Promise("r04_healthy_p99_over_quiet", min(map(p99, shaken)) / min(map(p99, quiet)), 1.2 if full else 2.0, "x"),
        Promise("r04_tools_of_down_servers_found", found, 1.0, at_most=False),
        Promise("r04_down_servers_marked", marked, 1.0, at_most=False),
    ]


async def _times(gateway: Gateway, tools: list[str], seconds: float) -> tuple[list[float], int]:
    """Seconds of each call, and how many did not succeed; one caller, so that a queue of ours is not measured."""
    times: list[float] = []
    errors = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.perf_counter()
        answer = await gateway.call(random.choice(tools), label="h")
        times.append(time.perf_counter() - began)
        errors += answer.status_code != 200
        await asyncio.sleep(0.002)
    return times, errors


async def _flap(gateway: Gateway, upstream: CountingUpstream, numbers: list[int]) -> None:
    """Down and up every two seconds, and called all the while."""
    down = False
    while True:
        down = not down
        await upstream.switch(numbers, down=down)
        until = time.monotonic() + TOGGLE_S
        while time.monotonic() < until:
            await gateway.call(f"s{random.choice(numbers)}__once", label="f")
            await asyncio.sleep(0.02)


async def _lost(gateway: Gateway, upstream: CountingUpstream, numbers: list[int]) -> tuple[float, float]:
    """The shares of down servers whose tools are found, and that are marked."""
    await upstream.switch(numbers, down=True)
    found = marked = 0
    for number in numbers:
        for _ in range(6):
            await gateway.call(f"s{number}__once", label="f")
        answer = (await gateway.search(f"s{number}__once")).json()
        found += any(c["tool_id"] == f"s{number}__once" for c in answer["results"][0]["candidates"])
        server = (await gateway.http.get(f"/api/v1/servers/s{number}")).json()
        marked += server["circuit"] != Circuit.CLOSED
    return found / len(numbers), marked / len(numbers)

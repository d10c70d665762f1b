"""R4: a third of the servers comes and goes every two seconds. The others do not notice, and no tool is lost.

Quiet is a second gateway with the same traffic, whose servers all stay up. The one caller of the healthy servers asks
both in turns, call by call, and the gateways take turns in being the one that is shaken: whatever else this machine
does meets both.
"""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import AsyncExitStack
from statistics import median

from benchmarks.report import Promise
from domain.servers import Circuit
from tests.faults.gateways import Gateway, a_gateway
from tests.faults.paired import Ratio, in_pairs
from tests.faults.parts import CountingUpstream, counting_upstream, p99

TOGGLE_S, ROUND_S = 2.0, 4.0
PAUSE_S = 0.02  # between calls to servers that come and go
BACK_S = 10.0


async def run(*, full: bool) -> list[Promise]:
    servers = 100 if full else 20
    fewest, patience_s = (150, 0.0) if full else (8, 100.0)  # in the long form ten minutes shaken, no less
    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(counting_upstream())
        sides = []
        for first in (0, servers):
            gateway = await stack.enter_async_context(a_gateway())
            side = _Side(gateway, upstream, range(first, first + servers))
            await side.register()
            stack.push_async_callback(_end, asyncio.create_task(side.traffic()))
            sides.append(side)

        async def pair(number: int) -> tuple[list[float], list[float]]:
            shaken, quiet = sides[number % 2], sides[1 - number % 2]
            toggling = asyncio.create_task(shaken.toggle())
            times = await _in_turns(quiet, shaken)
            await _end(toggling)
            await shaken.all_up()
            return times

        ratios = {"p50": Ratio(median, 1.2), "p99": Ratio(p99, 1.2)}
        await _in_turns(*sides)
        over_quiet = await in_pairs(pair, ratios, fewest=fewest, patience_s=patience_s)
        found, marked = await sides[0].lost()
    return [
        Promise("r04_errors_of_healthy_servers", sum(side.errors for side in sides), 0),
        *(Promise(f"r04_healthy_{name}_over_quiet", over_quiet[name], ratios[name].target, "x") for name in ratios),
        Promise("r04_slowest_return", max(side.slowest_return for side in sides), BACK_S, "s"),
        Promise("r04_tools_of_down_servers_found", found, 1.0, at_most=False),
        Promise("r04_down_servers_marked", marked, 1.0, at_most=False),
    ]


async def _in_turns(one: _Side, other: _Side) -> tuple[list[float], list[float]]:
    """Seconds of each call of one round, by gateway; one caller, so that a queue of ours is not measured."""
    times: tuple[list[float], list[float]] = ([], [])
    end = time.monotonic() + ROUND_S
    while time.monotonic() < end:
        for side, taken in zip((one, other), times, strict=True):
            taken.append(await side.healthy_call())
    return times


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


class _Side:
    """One gateway and its servers; a third of them comes and goes when it is told to, and is called all the while."""

    def __init__(self, gateway: Gateway, upstream: CountingUpstream, numbers: range) -> None:
        self.errors = 0
        self.slowest_return = 0.0
        self._gateway = gateway
        self._upstream = upstream
        self._numbers = list(numbers)
        self._flapping = self._numbers[: len(numbers) * 3 // 10]
        self._healthy = self._numbers[len(self._flapping) :]

    async def register(self) -> None:
        for number in self._numbers:
            await self._gateway.register(f"s{number}", self._upstream.server(number).launch.url or "")

    async def healthy_call(self) -> float:
        """Its seconds."""
        began = time.perf_counter()
        answer = await self._gateway.call(f"s{random.choice(self._healthy)}__once", label="h")
        self.errors += answer.status_code != 200
        return time.perf_counter() - began

    async def traffic(self) -> None:
        while True:
            await self._gateway.call(f"s{random.choice(self._flapping)}__once", label="f")
            await asyncio.sleep(PAUSE_S)

    async def toggle(self) -> None:
        down = False
        while True:
            down = not down
            await self._upstream.switch(self._flapping, down=down)
            await asyncio.sleep(TOGGLE_S)

    async def all_up(self) -> None:
        """Until each was called with success."""
        await self._upstream.switch(self._flapping, down=False)
        began = time.monotonic()
        for number in self._flapping:
            while (await self._gateway.call(f"s{number}__once", label="f")).status_code != 200:
                assert time.monotonic() - began < 60, f"s{number} does not come back"
                await asyncio.sleep(PAUSE_S)
        self.slowest_return = max(self.slowest_return, time.monotonic() - began)

    async def lost(self) -> tuple[float, float]:
        """The shares of down servers whose tools are found, and that are marked."""
        await self._upstream.switch(self._flapping, down=True)
        found = marked = 0
        for number in self._flapping:
            for _ in range(6):
                await self._gateway.call(f"s{number}__once", label="f")
            answer = (await self._gateway.search(f"s{number}__once")).json()
            found += any(c["tool_id"] == f"s{number}__once" for c in answer["results"][0]["candidates"])
            server = (await self._gateway.http.get(f"/api/v1/servers/s{number}")).json()
            marked += server["circuit"] != Circuit.CLOSED
        return found / len(self._flapping), marked / len(self._flapping)

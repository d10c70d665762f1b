"""R7: everybody comes at once: clients after a restart, servers after one, the same search hundreds of times."""

from __future__ import annotations

import asyncio
import time

import httpx2

from benchmarks.report import Promise
from tests.faults.gateways import Gateway, a_gateway
from tests.faults.parts import a_pool, counting_upstream

ACCEPT = {"accept": "application/json, text/event-stream"}
HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "herd", "version": "1"}},
}


async def run(*, full: bool) -> list[Promise]:
    clients, searches = (1_000, 500) if full else (200, 200)
    listings = await _one_listing_for_all()
    back, failed = await _servers_back(100 if full else 40)
    async with a_gateway() as gateway, counting_upstream() as upstream:
        await gateway.register("s0", upstream.server(0).launch.url or "")
        began = time.perf_counter()
        hellos = await asyncio.gather(*(_hello(gateway) for _ in range(clients)))
        connected = time.perf_counter() - began
        answers = await asyncio.gather(*(gateway.search("count a label once") for _ in range(searches)))
    wrong = sum(1 for answer in answers if answer.status_code >= 500 or not answer.json()["results"][0]["candidates"])
    return [
        Promise("r07_listings_for_100_callers", listings, 1),
        Promise("r07_servers_failed_after_restart", failed, 0),
        Promise("r07_servers_back_in", back, 10.0, "s"),
        Promise("r07_clients_connected_in", connected, 10.0, "s"),
        Promise("r07_clients_with_5xx", sum(1 for status in hellos if status >= 500), 0),
        Promise("r07_identical_searches_failed", wrong, 0),
    ]


async def _one_listing_for_all() -> int:
    async with counting_upstream() as upstream, a_pool() as pool:
        server = upstream.server()
        await asyncio.gather(*(pool.list_tools(server) for _ in range(100)))
        return int((await upstream.report())["seen"]["tools/list"])


async def _servers_back(servers: int) -> tuple[float, int]:
    """All servers stop and start again under open connections: seconds until each was called, and failures then."""
    async with counting_upstream() as upstream, a_pool() as pool:
        everyone = [upstream.server(number) for number in range(servers)]
        numbers = list(range(servers))

        async def call_all() -> list[object]:
            calls = (pool.call(server, "once", {"label": "x"}) for server in everyone)
            return list(await asyncio.gather(*calls, return_exceptions=True))

        await call_all()
        await upstream.switch(numbers, down=True)
        for _ in range(6):
            await call_all()
        await upstream.switch(numbers, down=False)
        began = time.perf_counter()
        failed = servers
        while failed and time.perf_counter() - began < 30:
            failed = sum(isinstance(outcome, Exception) for outcome in await call_all())
            await asyncio.sleep(0.05)
        return time.perf_counter() - began, failed


async def _hello(gateway: Gateway) -> int:
    try:
        return (await gateway.http.post("/mcp", json=HELLO, headers=ACCEPT)).status_code
    except httpx2.TransportError:
        return 599

"""R7: everybody comes at once: clients after a restart, servers after one, the same search hundreds of times."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence

import httpx2

from benchmarks.report import Promise
from tests.faults.embedding import counting_gateway
from tests.faults.gateways import Gateway, a_gateway
from tests.faults.parts import a_pool, counting_upstream, in_line_s

ACCEPT = {"accept": "application/json, text/event-stream"}
QUERY = "count a label once"
SEARCHES = 500
CONNECTED_S = 10.0
HERDS = 3  # at most, and the quickest counts: whoever else runs on this machine only adds
HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "herd", "version": "1"}},
}


async def run(*, full: bool) -> list[Promise]:
    clients = 1_000 if full else 200
    listings = await _one_listing_for_all()
    back, failed = await _servers_back(100 if full else 40)
    async with a_gateway() as gateway, counting_upstream() as upstream:
        await gateway.register("s0", upstream.server(0).launch.url or "")
        herds = [await _herd(gateway, clients)]
        while herds[-1][0] > CONNECTED_S and len(herds) < HERDS:
            herds.append(await _herd(gateway, clients))
        wrong = _wrong(await asyncio.gather(*(gateway.search(QUERY) for _ in range(SEARCHES))))
    embedded, wrong_too = await _one_embedding_for_all()
    return [
        Promise("r07_listings_for_100_callers", listings, 1),
        Promise("r07_servers_failed_after_restart", failed, 0),
        Promise("r07_servers_back_in", back, 10.0, "s"),
        Promise("r07_clients_connected_in", min(seconds for seconds, _ in herds), CONNECTED_S, "s"),
        Promise("r07_clients_with_5xx", sum(broken for _, broken in herds), 0),
        Promise("r07_identical_searches_failed", wrong + wrong_too, 0),
        Promise(f"r07_embeddings_of_{SEARCHES}_equal_searches", embedded, 1),
        Promise("r07_embeddings_at_least", embedded, 1, at_most=False),
    ]


async def _one_listing_for_all() -> int:
    async with counting_upstream() as upstream, a_pool() as pool:
        server = upstream.server()
        await asyncio.gather(*(pool.list_tools(server) for _ in range(100)))
        return int((await upstream.report())["seen"]["tools/list"])


async def _one_embedding_for_all() -> tuple[int, int]:
    """How often the query reached the model when it was searched for hundreds of times at once, cold; and failures."""
    async with counting_upstream() as upstream, counting_gateway() as (http, seen):
        body = {"name": "s0", "transport": "streamable-http", "url": upstream.server(0).launch.url}
        (await http.post("/api/v1/servers", json=body)).raise_for_status()
        (await http.post("/api/v1/servers/s0/sync")).raise_for_status()
        search = {"queries": [QUERY]}
        answers = await asyncio.gather(*(http.post("/api/v1/search", json=search) for _ in range(SEARCHES)))
    return seen.count(QUERY), _wrong(answers)


def _wrong(answers: Sequence[httpx2.Response]) -> int:
    """How many of the searches failed or found nothing."""
    return sum(1 for answer in answers if answer.status_code >= 500 or not answer.json()["results"][0]["candidates"])


async def _servers_back(servers: int) -> tuple[float, int]:
    """All servers stop and start again under open connections: seconds until each was called, less those in line for
    a CPU, and failures then.
    """
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
        in_line, began = in_line_s(os.getpid()), time.perf_counter()
        failed = servers
        while failed and time.perf_counter() - began < 30:
            failed = sum(isinstance(outcome, Exception) for outcome in await call_all())
            await asyncio.sleep(0.05)
        return time.perf_counter() - began - (in_line_s(os.getpid()) - in_line), failed


async def _herd(gateway: Gateway, clients: int) -> tuple[float, int]:
    """Seconds until all of them were greeted, less those in line for a CPU; and how many met an error of ours."""
    pids = (gateway.process.process.pid, os.getpid())
    in_line = [in_line_s(pid) for pid in pids]
    began = time.perf_counter()
    statuses = await asyncio.gather(*(_hello(gateway) for _ in range(clients)))
    took = time.perf_counter() - began
    waited = max(in_line_s(pid) - before for pid, before in zip(pids, in_line, strict=True))
    return took - waited, sum(1 for status in statuses if status >= 500)


async def _hello(gateway: Gateway) -> int:
    try:
        return (await gateway.http.post("/mcp", json=HELLO, headers=ACCEPT)).status_code
    except httpx2.TransportError:
        return 599

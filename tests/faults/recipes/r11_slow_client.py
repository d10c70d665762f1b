"""R11: a client asks for progress, gets ten thousand notices and reads none: we hold little of it, and others go on.

How others fare is told by a second gateway that has no such client, called in turns with the first.
"""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import psutil

from benchmarks.report import Promise
from tests.faults.gateways import Gateway, a_gateway
from tests.faults.parts import counting_upstream, p99, seconds_of
from tests.upstreams.running import ROOT, START_S

MIB = 1024 * 1024
BEYOND_S = 0.25
TRIES = 3  # at most, and the quietest counts: a tail of 300 calls is also that of whoever else runs here
META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
    "progressToken": "p",
}


async def run(*, full: bool) -> list[Promise]:
    clients = 8 if full else 2
    async with a_gateway() as gateway, a_gateway() as peaceful, counting_upstream() as other, _chatty() as url:
        await gateway.register("chatty", url)
        for each in (gateway, peaceful):
            await each.register("other", other.server(0).launch.url or "")
        await _others(gateway, peaceful, 50)
        process = psutil.Process(gateway.process.process.pid)
        before = process.memory_info().rss
        deaf = [await _deaf_client(gateway.process.url) for _ in range(clients)]
        peak = before
        beyond = [BEYOND_S + 1.0]
        while min(beyond) > BEYOND_S and len(beyond) <= TRIES:
            times: list[tuple[float, float]] = []
            for _ in range(10):
                times += await _others(gateway, peaceful, 30)
                peak = max(peak, process.memory_info().rss)
                await asyncio.sleep(0.1)
            beside, in_peace = (p99(list(each)) for each in zip(*times, strict=True))
            beyond.append(max(0.0, beside - in_peace))
        _, told = await seconds_of(lambda: deaf[0][0].readexactly(12))
        for _, writer in deaf:
            writer.close()
    return [
        Promise("r11_memory_per_deaf_client", (peak - before) / MIB / clients, 16.0, "MiB"),
        Promise("r11_others_p99_beyond_peace", min(beyond) * 1e3, BEYOND_S * 1e3, "ms"),
        Promise("r11_stream_had_begun", float(told == b"HTTP/1.1 200"), 1.0, at_most=False),
    ]


async def _others(gateway: Gateway, peaceful: Gateway, calls: int) -> list[tuple[float, float]]:
    """Seconds of calls to the one and the other."""
    return [(await _call(gateway), await _call(peaceful)) for _ in range(calls)]


async def _call(gateway: Gateway) -> float:
    seconds, answer = await seconds_of(lambda: gateway.call("other__once", label="x"))
    assert getattr(answer, "status_code", None) == 200, answer
    return seconds


async def _deaf_client(base: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Sends its call and never reads: its window closes after some tens of KiB."""
    address = urlsplit(base)
    reader, writer = await asyncio.open_connection(address.hostname, address.port, limit=16)
    call = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": "flood", "arguments": {}, "_meta": META},
    }
    body = json.dumps(call)
    head = (
        f"POST /mcp/servers/chatty HTTP/1.1\r\nhost: {address.netloc}\r\ncontent-type: application/json\r\n"
        "accept: application/json, text/event-stream\r\nmcp-protocol-version: 2026-07-28\r\n"
        f"mcp-method: tools/call\r\nmcp-name: flood\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    writer.write((head + body).encode())
    await writer.drain()
    return reader, writer


@asynccontextmanager
async def _chatty() -> AsyncIterator[str]:
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.faults.chatty", stdout=PIPE, cwd=ROOT)
    assert process.stdout is not None
    try:
        yield (await asyncio.wait_for(process.stdout.readline(), START_S)).decode().strip()
    finally:
        process.kill()
        await process.wait()

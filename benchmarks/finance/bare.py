"""What a sync cannot do without, done by itself: the same servers listed, the same texts embedded, and nothing else.

Listing is one POST of `tools/list` to each server by one shared HTTP client: no discovery, no check, no comparison.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Sequence

import httpx2

from benchmarks.finance.catalogue import FinanceServer
from benchmarks.finance.running import Running
from index.embedders.minilm import MiniLMEmbedder
from index.fields import DENSE_FIELDS
from servers.negotiation import Era, Peer
from servers.requests import RawRequest, stamped
from servers.transports.tls import tls_context

IN_FLIGHT = 32
"""As many as the product's."""

_PEER = Peer(Era.MODERN, "2026-07-28", None, None, None, has_tools=True, announces_changes=False)

Progress = Callable[[int], None]
"""How many more are done."""


async def bare_listing(running: Running, progress: Progress) -> float:
    """Seconds to list every server once."""
    params, headers = stamped(_PEER, RawRequest("tools/list", {}))
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": params}).encode()
    headers |= {"content-type": "application/json", "accept": "application/json, text/event-stream"}
    in_flight = asyncio.Semaphore(IN_FLIGHT)
    limits = httpx2.Limits(max_connections=IN_FLIGHT, max_keepalive_connections=IN_FLIGHT)
    async with httpx2.AsyncClient(verify=tls_context(), limits=limits, timeout=30, headers=headers) as client:

        async def one(url: str, name: str) -> None:
            async with in_flight:
                answer = await client.post(url, content=body)
            [tool] = json.loads(answer.content)["result"]["tools"]
            assert tool["name"] == name
            progress(1)

        began = time.perf_counter()
        pairs = zip(running.upstreams, running.servers, strict=True)
        await asyncio.gather(*(one(str(up.launch.url), server.tool_name) for up, server in pairs))
        return time.perf_counter() - began


async def bare_embedding(servers: Sequence[FinanceServer], progress: Progress) -> tuple[float, int]:
    """Seconds to embed every distinct text that the index embeds of these tools, by the same model, and how many."""
    documents = [server.document() for server in servers]
    texts = list(
        dict.fromkeys(text for document in documents for spec in DENSE_FIELDS for _, text in spec.parts(document.text))
    )
    embedder = MiniLMEmbedder()
    await embedder.warm()
    began = time.perf_counter()
    for start in range(0, len(texts), 1000):
        chunk = texts[start : start + 1000]
        await embedder.embed(chunk)
        progress(len(chunk))
    took = time.perf_counter() - began
    await embedder.close()
    return took, len(texts)

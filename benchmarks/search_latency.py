"""What a search costs over HTTP, embedding included, against the bare embedding of the same query in the same run.

    python -m benchmarks.search_latency [--tools 3119] [--queries 300]

The gateway is a process of its own on a synced catalogue of real tools; every query is new to it. Blocks of bare
embeddings and of searches take turns, so that a noisy neighbour hits both.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.real_catalogue import fill, queries
from benchmarks.report import Promise, finish, percentiles
from index.embedders.minilm import MiniLMEmbedder
from tests.e2e.running import serving

TARGET_RATIO = 2.5
_BLOCK = 25
_WARM_UP = 50


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tools", type=int, default=3119)
    parser.add_argument("--queries", type=int, default=300)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="toolcrib-bench-") as temporary:
        folder = Path(temporary)
        tools = asyncio.run(fill(folder, asked.tools))
        with serving(folder) as gateway:
            bare, searches = asyncio.run(measure(gateway.url, queries()[: asked.queries + _WARM_UP]))
    ratio = percentiles(searches)["p50"] / percentiles(bare)["p50"]
    details = {
        "tools": tools,
        "queries": len(searches),
        "embedding_ms": percentiles(bare),
        "search_ms": percentiles(searches),
    }
    print(json.dumps(details))
    finish("search_latency", [Promise("search_p50_over_embedding_p50", ratio, TARGET_RATIO, "x")], details)


async def measure(url: str, texts: list[str]) -> tuple[list[float], list[float]]:
    """Milliseconds of each bare embedding and of each search; the first `_WARM_UP` are thrown away."""
    embedder = MiniLMEmbedder()
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    bare: list[float] = []
    searches: list[float] = []
    try:
        for start in range(0, len(texts), _BLOCK):
            block = texts[start : start + _BLOCK]
            for text in block:
                began = time.perf_counter()
                await embedder.embed([text])
                bare.append((time.perf_counter() - began) * 1e3)
            for text in block:
                body = json.dumps({"queries": [text]})
                began = time.perf_counter()
                connection.request("POST", "/api/v1/search", body, {"content-type": "application/json"})
                answer = connection.getresponse().read()
                searches.append((time.perf_counter() - began) * 1e3)
                assert json.loads(answer)["results"][0]["candidates"], text
    finally:
        connection.close()
        await embedder.close()
    return bare[_WARM_UP:], searches[_WARM_UP:]


if __name__ == "__main__":
    main()

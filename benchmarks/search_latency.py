"""What a search costs over HTTP, against one batched embedding of the same query and its clauses in the same run.

    python -m benchmarks.search_latency [--parts ratio large clients cold memory] [--queries 300]

ratio    5,000 tools: p50 of searches over p50 of bare embeddings; blocks of both take turns, so that a noisy neighbour
         hits both
large    the same with 100,000 tools
clients  p99 over p50 of searches by 8 clients at once, 5,000 tools
cold     indexing 5,000 tools with nothing cached, against embedding exactly the distinct texts of their fields
memory   resident memory of a gateway with 20,000 tools after the searches

Queries are the test queries of seal-tools and toole, half each; each is new to the gateway, which is a process of its
own on a catalogue of generated_catalogue. Parts that are left out keep the result of the last run that had them.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import itertools
import json
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil

from benchmarks.cold_index import indexing_over_embedding
from benchmarks.generated_catalogue import mixed_queries
from benchmarks.prepared_folders import CACHE, prepared
from benchmarks.report import RESULTS, Promise, finish, percentiles
from index.clauses import clauses
from index.embedders.minilm import MiniLMEmbedder
from tests.e2e.running import GatewayProcess, serving

SMALL, MEDIUM, LARGE = 5_000, 20_000, 100_000
CLIENTS = 8
_BLOCK = 20
_WARM_UP = 40

Part = tuple[Promise, dict[str, Any]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=list(PARTS))
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--cache", type=Path, default=CACHE)
    asked = parser.parse_args()
    kept = _before()
    for name in asked.parts:
        promise, details = PARTS[name](asked.queries, asked.cache)
        print(name, json.dumps(details), flush=True)
        kept[name] = {"promise": [promise.name, promise.value, promise.target, promise.unit], **details}
    promises = [Promise(*kept[name]["promise"]) for name in PARTS if name in kept]
    finish("search_latency", promises, {"parts": kept})


def ratio(queries: int, cache: Path, tools: int = SMALL, target: float = 2.0) -> Part:
    with gateway_with(tools, cache) as gateway:
        bare, searches = asyncio.run(_taking_turns(gateway.url, mixed_queries()[: queries + _WARM_UP]))
    measured = {"tools": tools, "queries": len(searches), "embedding_ms": percentiles(bare)}
    measured |= {"search_ms": percentiles(searches)}
    value = percentiles(searches)["p50"] / percentiles(bare)["p50"]
    return Promise(f"search_p50_over_embedding_p50_{tools}_tools", value, target, "x"), measured


def large(queries: int, cache: Path) -> Part:
    return ratio(queries, cache, LARGE, 3.0)


def clients(queries: int, cache: Path) -> Part:
    """Every client sends its next query when it has the answer to the last."""
    waiting = iter(mixed_queries()[: 2 * queries + _WARM_UP])
    lock, times = threading.Lock(), list[float]()

    def client(url: str) -> None:
        with _asking(url) as ask:
            while True:
                with lock:
                    text = next(waiting, None)
                if text is None:
                    return
                times.append(ask(text))

    with gateway_with(SMALL, cache) as gateway:
        with _asking(gateway.url) as ask:
            for text in itertools.islice(waiting, _WARM_UP):
                ask(text)
        threads = [threading.Thread(target=client, args=(gateway.url,)) for _ in range(CLIENTS)]
        began = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        took = time.perf_counter() - began
    measured = percentiles(times)
    details = {"clients": CLIENTS, "search_ms": measured, "searches_per_s": round(len(times) / took, 1)}
    return Promise(f"search_p99_over_p50_{CLIENTS}_clients", measured["p99"] / measured["p50"], 5.0, "x"), details


def cold(_queries: int, _cache: Path) -> Part:
    indexing, embedding, texts = asyncio.run(indexing_over_embedding(SMALL))
    details = {"tools": SMALL, "texts": texts, "indexing_s": round(indexing, 1), "embedding_s": round(embedding, 1)}
    return Promise(f"cold_index_over_embedding_{SMALL}_tools", indexing / embedding, 1.2, "x"), details


def memory(queries: int, cache: Path) -> Part:
    with gateway_with(MEDIUM, cache) as gateway, _asking(gateway.url) as ask:
        for text in mixed_queries()[:queries]:
            ask(text)
        rss = psutil.Process(gateway.process.pid).memory_info().rss / 2**20
    return Promise(f"gateway_rss_{MEDIUM}_tools", rss, 900, " MB"), {"tools": MEDIUM, "searches": queries}


PARTS: Mapping[str, Callable[[int, Path], Part]] = {
    "ratio": ratio,
    "large": large,
    "clients": clients,
    "cold": cold,
    "memory": memory,
}


@contextmanager
def gateway_with(tools: int, cache: Path) -> Iterator[GatewayProcess]:
    """A gateway on a copy of the prepared folder."""
    folder = asyncio.run(prepared(tools, cache))
    with tempfile.TemporaryDirectory(prefix="toolcrib-bench-") as temporary:
        copy = Path(shutil.copytree(folder, Path(temporary) / "data"))
        with serving(copy) as gateway:
            yield gateway


@contextmanager
def _asking(url: str) -> Iterator[Callable[[str], float]]:
    """A connection of its own; what it gives sends one search and returns its milliseconds."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc)

    def ask(text: str) -> float:
        body = json.dumps({"queries": [text]})
        began = time.perf_counter()
        connection.request("POST", "/api/v1/search", body, {"content-type": "application/json"})
        response = connection.getresponse()
        answer = response.read()
        spent = (time.perf_counter() - began) * 1e3
        assert response.status == 200, answer
        return spent

    try:
        yield ask
    finally:
        connection.close()


async def _taking_turns(url: str, texts: Sequence[str]) -> tuple[list[float], list[float]]:
    """Milliseconds of each bare embedding and of each search; the first `_WARM_UP` are thrown away."""
    embedder = MiniLMEmbedder()
    bare: list[float] = []
    searches: list[float] = []
    try:
        with _asking(url) as ask:
            for start in range(0, len(texts), _BLOCK):
                block = texts[start : start + _BLOCK]
                for text in block:
                    began = time.perf_counter()
                    await embedder.embed([text, *clauses(text)])
                    bare.append((time.perf_counter() - began) * 1e3)
                searches.extend(ask(text) for text in block)
    finally:
        await embedder.close()
    return bare[_WARM_UP:], searches[_WARM_UP:]


def _before() -> dict[str, Any]:
    path = RESULTS / "search_latency.json"
    kept: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return dict(kept.get("parts", {}))


if __name__ == "__main__":
    main()

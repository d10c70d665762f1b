"""R15: the Qdrant server refuses, is slow, fails, talks nonsense, or holds vectors of another dimension.

Searches are answered all the same, in time and marked; and as well as before, or nearly so where the embedding model is
away too. The server is the fake peer behind the fault proxy; the recall is that of mcp-catalogue (its train split).
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
from qdrant_client import QdrantClient, models

from benchmarks.report import Promise
from domain.errors import EmbedderUnavailable
from index.embedders.minilm import MiniLMEmbedder
from index.evaluation.dataset import LabelledQuery, LabelledTool, load_dataset
from index.evaluation.metrics import gains, recall
from index.live import Place, open_live
from index.ports import Embedder, IndexDocument, Matrix, SearchRequest
from index.searcher import Searcher
from index.standby import QdrantServer
from tests.chaos.parts import api_of, changing_upstream, qdrant_peer, register, seconds_until, started, sync
from tests.conftest import ROOT
from tests.e2e.running import serving
from tests.faults.parts import p99
from tests.faults.proxy import Fault, FaultProxy, fault_proxy
from tests.index.test_caching import DictCache

TENANT = "default"
SLOW_S = 10.0
QUERY = "read the old file"


@dataclass(slots=True)
class Away:
    """MiniLM, until it is away."""

    inner: MiniLMEmbedder
    is_away: bool = False

    @property
    def version(self) -> str:
        return self.inner.version

    @property
    def dimension(self) -> int:
        return self.inner.dimension

    async def embed(self, texts: Sequence[str]) -> Matrix:
        if self.is_away:
            raise EmbedderUnavailable
        return await self.inner.embed(texts)

    async def close(self) -> None:
        await self.inner.close()


async def run(*, full: bool) -> list[Promise]:
    return [*await recall_promises(full=full), *await gateway_promises(searches=1000 if full else 200)]


async def recall_promises(*, full: bool) -> list[Promise]:
    """Recall@5 of both degraded forms over that of the server."""
    folder = Path(os.environ.get("TOOLCRIB_DATASETS", ROOT.parent / "shared" / "datasets")) / "mcp-catalogue"
    data = load_dataset(folder, split="train")
    queries = data.queries if full else data.queries[:200]
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(qdrant_peer())
        proxy = await stack.enter_async_context(fault_proxy(port))
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="toolcrib-chaos-")))
        server = QdrantServer(f"http://127.0.0.1:{proxy.port}", deadline_s=30.0)  # of a peer that is slow by itself
        embedder = Away(MiniLMEmbedder())

        async def make(recipe: str, dimension: int | None) -> Embedder:  # noqa: ARG001 - a port's names
            return embedder

        live = await open_live(Place(place, DictCache(), server=server), make, "minilm")
        stack.push_async_callback(live.close)
        assert live.standby is not None
        documents = [_document(tool) for tool in data.tools]
        for index in (live.serving, live.standby):
            await index.upsert(documents)
        normal, marks = await _recall(live, queries)
        proxy.fault = Fault.RESET
        await proxy.drop_all()
        without_server, marked = await _recall(live, queries)
        embedder.is_away = True
        live.serving.queries._known.clear()
        words, marked_twice = await _recall(live, queries)
    return [
        Promise("r15_marked_while_all_is_there", marks, 0),
        Promise("r15_recall_share_without_server", without_server / normal, 0.95, at_most=False),
        Promise("r15_recall_share_without_server_and_embedder", words / normal, 0.85, at_most=False),
        Promise("r15_answers_not_marked", 2 * len(queries) - marked - marked_twice, 0),
    ]


async def gateway_promises(searches: int) -> list[Promise]:
    """What a client of a real gateway sees under each fault."""
    worst, errors, unmarked = 0.0, 0, 0
    async with a_gateway() as (http, peer, proxy, restart):
        faults: dict[str, Callable[[], Awaitable[None]]] = {
            "refusing": lambda: _proxy(proxy, Fault.RESET),
            "slow": lambda: _proxy(proxy, Fault.DELAY),
            "failing": lambda: _peer(peer, "failing"),
            "garbage": lambda: _peer(peer, "garbage"),
            "html": lambda: _peer(peer, "html"),
            "dimension": lambda: _other_dimension(peer),
        }
        for name, begin in faults.items():
            await begin()
            await proxy.drop_all()
            times, statuses, marked = await _ask(http, searches)
            print(f"  {name}: p99 {p99(times) * 1e3:.0f} ms, {marked} of {searches} marked")  # noqa: T201
            worst, errors = max(worst, p99(times)), errors + sum(status != 200 for status in statuses)
            unmarked += searches - marked
            await _proxy(proxy, Fault.PASS)
            await _peer(peer, "none")
            if name != "dimension":
                assert await _unmarked_again(http) < float("inf")
        starts = await restart(Fault.RESET)
    return [
        Promise("r15_search_p99", worst * 1e3, 150.0, "ms"),
        Promise("r15_search_errors", errors, 0),
        Promise("r15_gateway_answers_not_marked", unmarked, 0),
        Promise("r15_starts_without_server", starts, 1, at_most=False),
    ]


Restart = Callable[[Fault], Awaitable[int]]


@asynccontextmanager
async def a_gateway() -> AsyncIterator[tuple[httpx2.AsyncClient, int, FaultProxy, Restart]]:
    """Its API, the peer's port, the proxy in front of that, and what starts it anew under a fault."""
    async with AsyncExitStack() as stack:
        peer = await stack.enter_async_context(qdrant_peer())
        proxy = await stack.enter_async_context(fault_proxy(peer, delay_s=SLOW_S))
        upstream = await stack.enter_async_context(changing_upstream(10, 20))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="toolcrib-chaos-")))
        url = f"http://127.0.0.1:{proxy.port}"
        gateway = await started(stack, folder, qdrant_url=url, poll_s="86400", log_level="ERROR")
        http = await stack.enter_async_context(api_of(gateway.url))
        for number in range(10):
            await register(http, f"s{number}", upstream.url(number))
            await sync(http, f"s{number}")
        assert await _unmarked_again(http) < float("inf")

        async def restart(fault: Fault) -> int:
            """1 when a gateway that begins under the fault is ready and finds."""
            gateway.process.terminate()
            await asyncio.to_thread(gateway.process.wait, 60)
            proxy.fault = fault
            with serving(folder, qdrant_url=url, poll_s="86400", log_level="ERROR") as again:
                async with api_of(again.url) as client:
                    ready = (await client.get("/readyz")).status_code == 200
                    _, statuses, marked = await _ask(client, 10)
                    return int(ready and marked == 10 and set(statuses) == {200})

        yield http, peer, proxy, restart


async def _ask(http: httpx2.AsyncClient, searches: int) -> tuple[list[float], list[int], int]:
    """Seconds, statuses, and how many were marked; the tools must be there."""
    times, statuses, marked = [], [], 0
    for number in range(searches):
        began = time.perf_counter()
        answer = await http.post("/api/v1/search", json={"queries": [f"{QUERY} {number}"]})
        times.append(time.perf_counter() - began)
        statuses.append(answer.status_code)
        if answer.status_code == 200:
            result = answer.json()["results"][0]
            marked += "index" in result["degraded"] and len(result["candidates"]) == 5
    return times, statuses, marked


async def _unmarked_again(http: httpx2.AsyncClient) -> float:
    async def is_normal() -> bool:
        answer = await http.post("/api/v1/search", json={"queries": [QUERY]})
        return bool(answer.json()["results"][0]["degraded"] == [])

    return await seconds_until(is_normal, 30, every_s=0.2)


async def _proxy(proxy: FaultProxy, fault: Fault) -> None:
    proxy.fault = fault


async def _peer(port: int, fault: str) -> None:
    async with httpx2.AsyncClient() as http:
        (await http.put(f"http://127.0.0.1:{port}/fault/{fault}")).raise_for_status()


async def _other_dimension(port: int) -> None:
    """Somebody makes the collections anew, with vectors of another size."""

    def remake() -> None:
        client = QdrantClient(url=f"http://127.0.0.1:{port}", check_compatibility=False)
        for name in [one.name for one in client.get_collections().collections]:
            client.delete_collection(name)
            client.create_collection(name, {"concat": models.VectorParams(size=7, distance=models.Distance.DOT)})
        client.close()

    await asyncio.to_thread(remake)


async def _recall(searcher: Searcher, queries: Sequence[LabelledQuery]) -> tuple[float, int]:
    """Mean recall@5, and how many answers were marked."""
    total, marked = 0.0, 0
    for query in queries:
        [ranking] = await searcher.search(SearchRequest(TENANT, (query.text,), k=5))
        found = [c.server if query.is_server_level else c.tool_id for c in ranking.candidates]
        total += recall(gains(found, query.gold, query.alternatives), len(query.gold), 5)
        marked += "index" in ranking.degraded
    return total / len(queries), marked


def _document(tool: LabelledTool) -> IndexDocument:
    document = tool.document
    return IndexDocument(TENANT, tool.tool_id, tool.server, document.text, document.semantic_hash, 1)

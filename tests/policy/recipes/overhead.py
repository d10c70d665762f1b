"""What the embedded policy adds to a search with 5,000 tools, live and in its shadow, against the bare embedding of
the query and its clauses. Gateways and embedder take turns in one run, so that a noisy neighbour hits all.
"""

from __future__ import annotations

import http.client
import json
import shutil
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from anyio import to_thread

from benchmarks.generated_catalogue import mixed_queries
from benchmarks.prepared_folders import prepared
from benchmarks.report import Promise
from index.clauses import clauses
from index.embedders.minilm import MiniLMEmbedder
from tests.e2e.running import serving

TOOLS = 5_000
MODES = ("off", "live", "shadow")
_BLOCK = 10
_WARM_UP = 20


async def run(*, full: bool) -> list[Promise]:
    queries = mixed_queries()[: _WARM_UP + (600 if full else 200)]
    folder = await prepared(TOOLS)
    embedder = MiniLMEmbedder()
    times: dict[str, list[float]] = {name: [] for name in (*MODES, "bare")}
    with TemporaryDirectory(prefix="toolcrib-policy-") as temporary, ExitStack() as stack:
        asking = {mode: await to_thread.run_sync(_open, stack, folder, Path(temporary) / mode, mode) for mode in MODES}
        for start in range(0, len(queries), _BLOCK):
            for mode, connection in asking.items():
                for query in queries[start : start + _BLOCK]:
                    times[mode].append(await to_thread.run_sync(_ask, connection, query))
            for query in queries[start : start + _BLOCK]:
                began = time.perf_counter()
                await embedder.embed([query, *clauses(query)])
                times["bare"].append((time.perf_counter() - began) * 1e3)
    await embedder.close()
    p50 = {name: median(taken[_WARM_UP:]) for name, taken in times.items()}
    print(f"  p50 in ms: { {name: round(one, 2) for name, one in p50.items()} }", flush=True)  # noqa: T201
    return [
        Promise(f"policy_{mode}_adds_to_search_of_embedding", 100 * (p50[mode] - p50["off"]) / p50["bare"], most, "%")
        for mode, most in (("live", 30), ("shadow", 10))
    ]


def _open(stack: ExitStack, folder: Path, data: Path, mode: str) -> http.client.HTTPConnection:
    running = stack.enter_context(serving(Path(shutil.copytree(folder, data)), policy_mode=mode))
    connection = http.client.HTTPConnection(urlsplit(running.url).netloc)
    stack.callback(connection.close)
    return connection


def _ask(connection: http.client.HTTPConnection, query: str) -> float:
    began = time.perf_counter()
    connection.request("POST", "/api/v1/search", json.dumps({"queries": [query]}), {"content-type": "application/json"})
    response = connection.getresponse()
    answer = response.read()
    took = (time.perf_counter() - began) * 1e3
    assert response.status == 200, answer
    return took

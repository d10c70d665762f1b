"""The product's index at one size, in two processes of its own: one fills it, one opens it and searches.

    python -m benchmarks.scale_product fill|search SIZE FOLDER CACHE

Vectors come from the cache and are composed as `composed_vectors` says; composing is not counted, so that filling is
everything but the embedding. Prints one JSON object.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from benchmarks.composed_vectors import ComposedEmbedder, Forgetful, document_of
from benchmarks.generated_catalogue import generated_tools, mixed_queries
from benchmarks.report import percentiles
from benchmarks.scale_run import disk_bytes
from index.embedders.minilm import MiniLMEmbedder
from index.evaluation.file_cache import FileVectorCache
from index.ports import SearchRequest
from index.tool_index import open_index

QUERIES = 120
_WARM_UP = 10
_BATCH = 1024


def main() -> None:
    what, size, folder, cache = sys.argv[1:5]
    work = fill(int(size), Path(folder), Path(cache)) if what == "fill" else search(Path(folder))
    print(json.dumps(asyncio.run(work)))


async def fill(size: int, folder: Path, cache: Path) -> dict[str, Any]:
    """Index the first `size` generated tools."""
    embedder = ComposedEmbedder(MiniLMEmbedder(), FileVectorCache(cache))
    tools = generated_tools(size)
    embedder.plan(tools)
    documents = [document_of(tool) for tool in tools]
    shutil.rmtree(folder, ignore_errors=True)
    index = await open_index(embedder, cache=Forgetful(), path=folder)
    try:
        began = time.perf_counter()
        for start in range(0, size, _BATCH):
            await index.upsert(documents[start : start + _BATCH])
        written = time.perf_counter()
        await index.advance(1)
        ended = time.perf_counter()
    finally:
        await index.close()
    return {
        "write_s": round(written - began - embedder.spent_s, 2),
        "optimize_s": round(ended - written, 2),
        "disk_mb": round(disk_bytes(folder) / 2**20),
    }


async def search(folder: Path) -> dict[str, Any]:
    """Milliseconds of each stage, and the memory of a process that holds this index and the model."""
    index = await open_index(MiniLMEmbedder(), cache=Forgetful(), path=folder)
    stages: dict[str, list[float]] = {}
    try:
        for number, text in enumerate(mixed_queries()[: QUERIES + _WARM_UP]):
            [ranking] = await index.search(SearchRequest("bench", (text,)))
            for stage, spent in ranking.timings_ms.items() if number >= _WARM_UP else ():
                stages.setdefault(stage, []).append(spent)
        memory = psutil.Process().memory_info().rss
    finally:
        await index.close()
    return {
        "memory_mb": round(memory / 2**20),
        "stages_ms": {stage: percentiles(spent) for stage, spent in stages.items()},
    }


if __name__ == "__main__":
    main()

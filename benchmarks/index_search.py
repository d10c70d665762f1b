"""Search through the index against the bare embedding of the same queries, in one run; and the cost of a cold index.

python -m benchmarks.index_search ../shared/datasets/mcp-catalogue
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np

from index.embedders.minilm import MiniLMEmbedder
from index.evaluation.dataset import load_dataset
from index.evaluation.file_cache import FileVectorCache
from index.ports import IndexDocument, SearchRequest
from index.tool_index import open_index

TARGET = 2.0
QUERIES = 300
ROUNDS = 3


async def milliseconds(work: Callable[[], Awaitable[object]]) -> float:
    started = time.perf_counter()
    await work()
    return (time.perf_counter() - started) * 1e3


async def main(folder: Path) -> int:
    dataset = load_dataset(folder, split="")
    documents = [
        IndexDocument("bench", tool.tool_id, tool.server, tool.document.text, tool.document.semantic_hash, 1)
        for tool in dataset.tools
    ]
    queries = list(dict.fromkeys(query.text for query in dataset.queries))[:QUERIES]
    with tempfile.TemporaryDirectory() as scratch:
        cache = FileVectorCache(Path(scratch) / "cache")
        embedder = MiniLMEmbedder()
        index = await open_index(embedder, cache=cache, path=Path(scratch) / "index")
        cold = await milliseconds(lambda: index.upsert(documents))
        warm = await milliseconds(lambda: index.upsert(documents))
        await index.advance(1)
        print(f"cold_index_s {cold / 1e3:.1f} for {len(documents)} tools, {cold / len(documents):.2f} ms a tool")
        print(f"warm_index_s {warm / 1e3:.2f}, nothing embedded")
        bare: list[float] = []
        searched: list[float] = []
        for turn in range(ROUNDS):
            for query in queries:
                text = f"{query} {turn}"  # a new text each time: repeated queries are answered from memory
                bare.append(await milliseconds(lambda text=text: embedder.embed([text])))  # type: ignore[misc]
                request = SearchRequest("bench", (text,))
                searched.append(await milliseconds(lambda request=request: index.search(request)))  # type: ignore[misc]
        await index.close()
    ratio = float(np.median(searched) / np.median(bare))
    verdict = "PASS" if ratio <= TARGET else "FAIL"
    print(f"embed_ms_p50 {np.median(bare):.2f}")
    print(f"search_ms_p50 {np.median(searched):.2f} p95 {np.percentile(searched, 95):.2f}")
    print(f"search_over_embedding_p50 {ratio:.2f} {TARGET} {verdict}")
    return 0 if verdict == "PASS" else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main(Path(sys.argv[1]))))

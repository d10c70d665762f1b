"""Cold indexing against the bare embedding of the same texts, taking turns by blocks of tools."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from benchmarks.generated_catalogue import generated_tools
from benchmarks.prepared_folders import by_server, commit
from domain.identity import LOCAL
from index.documents import field_texts
from index.embedders.minilm import MiniLMEmbedder
from index.ports import IndexDocument
from index.tool_index import open_index
from store.store import Store
from sync.indexer import Indexer

BLOCK = 500


async def indexing_over_embedding(tools: int) -> tuple[float, float, int]:
    """Seconds of indexing and of embedding, and how many distinct texts were embedded.

    The catalogue grows by BLOCK tools at a time; committing them is not counted, what the product's indexer does to
    follow is: reading the change log and the tools, embedding, the vector cache, sparse vectors, the engine, its flush.
    """
    catalogue = generated_tools(tools)
    embedder = MiniLMEmbedder()
    await embedder.embed(["load the model"])
    indexing = embedding = 0.0
    seen: set[str] = set()
    with tempfile.TemporaryDirectory(prefix="toolcrib-bench-") as temporary:
        folder = Path(temporary)
        store = await Store.open(f"sqlite+aiosqlite:///{folder / 'toolcrib.db'}")
        index = await open_index(MiniLMEmbedder(), cache=store.vectors, path=folder / "index")
        await index.warm_up()
        indexer = Indexer(store, index)
        await indexer.drain()
        try:
            for start in range(0, tools, BLOCK):
                servers = by_server(catalogue[start : start + BLOCK])
                # A server that is cut by the end of a block comes as another one in the next.
                await commit(store, {f"{title} {start}": listed for title, listed in servers.items()})
                texts = await _texts_of(store, seen)
                began = time.perf_counter()
                await embedder.embed(texts)
                between = time.perf_counter()
                await indexer.drain()
                indexing += time.perf_counter() - between
                embedding += between - began
            assert index.counters.embedded == len(seen), "another number of texts was embedded than counted"
        finally:
            await index.close()
            await store.close()
            await embedder.close()
    return indexing, embedding, len(seen)


async def _texts_of(store: Store, seen: set[str]) -> list[str]:
    """The distinct field texts of the tools that the index has not followed yet; added to `seen`."""
    keys = [(key.tenant, key.tool_id) for key in await store.catalogue.active_keys()]
    tools = await store.catalogue.documents(keys)
    documents = [
        IndexDocument(LOCAL.tenant, tool.tool_id, tool.server, tool.text, tool.semantic_hash, 1) for tool in tools
    ]
    fresh = dict.fromkeys(text for document in documents for text in field_texts(document) if text not in seen)
    seen.update(fresh)
    return list(fresh)

"""Data folders with a catalogue of any size, made once per size and index version and kept for the next run.

The catalogue is committed as a sync commits it, then the product's indexer follows the change log: what a gateway does
that finds a full store and no index. Real tools are embedded by the model, variants' vectors composed.
"""

from __future__ import annotations

import shutil
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.composed_vectors import ComposedEmbedder
from benchmarks.generated_catalogue import GeneratedTool, generated_tools
from benchmarks.real_catalogue import NOWHERE
from domain.canonical import sha256_hex
from domain.identity import LOCAL
from domain.names import slug_for
from domain.servers import UpstreamServer
from domain.tools import ToolDocument
from index.embedders.minilm import MiniLMEmbedder
from index.evaluation.file_cache import FileVectorCache
from index.tool_index import manifest_for, open_index, version_of
from store.store import Store
from sync.diff import diff
from sync.indexer import Indexer
from sync.server_documents import ServerDocuments

CACHE = Path(__file__).resolve().parent.parent / "build" / "benchmarks"


async def prepared(tools: int, cache: Path = CACHE) -> Path:
    """The folder of a catalogue of `tools` tools. It must be copied by whoever wants to write to it."""
    embedder = ComposedEmbedder(MiniLMEmbedder(), FileVectorCache(cache))
    folder = cache / f"tools-{tools}-{sha256_hex(version_of(manifest_for(embedder)))[:8]}"
    if folder.exists():
        await embedder.close()
        return folder
    catalogue = generated_tools(tools)
    embedder.plan(catalogue)
    print(f"{await embedder.prepare():,} pieces make the variants' texts", flush=True)
    unfinished = folder.with_suffix(".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    store = await Store.open(f"sqlite+aiosqlite:///{unfinished / 'toolcrib.db'}")
    index = await open_index(embedder, cache=store.vectors, path=unfinished / "index")
    try:
        began = time.perf_counter()
        await commit(store, by_server(catalogue))
        committed = time.perf_counter()
        await Indexer(store, index).drain()
        await ServerDocuments(store, lambda: index).follow()
        print(f"{tools:,} tools: committed in {committed - began:.0f} s", end=", ")
        print(
            f"indexed in {time.perf_counter() - committed:.0f} s, {embedder.spent_s:.0f} of them for vectors",
            flush=True,
        )
    finally:
        await index.close()
        await store.close()
    return unfinished.rename(folder)


def by_server(tools: Sequence[GeneratedTool]) -> dict[str, list[dict[str, Any]]]:
    """What each server lists, in the catalogue's order."""
    servers: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for tool in tools:
        servers[tool.server].append(dict(tool.raw))
    return servers


async def commit(store: Store, servers: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Put these tools into the catalogue, by server title; the servers are disabled, so that nobody looks for them."""
    slugs: set[str] = set()
    for title, listed in servers.items():
        slug = slug_for(title, slugs)
        slugs.add(slug)
        await store.servers.add(UpstreamServer(LOCAL.tenant, slug, title, NOWHERE, enabled=False))
        documents = [ToolDocument.from_upstream(slug, title, raw) for raw in listed]
        changes = diff((), documents, LOCAL.tenant, slug, 1)
        await store.catalogue.apply(LOCAL.tenant, slug, changes, expected_generation=0, at=time.time())

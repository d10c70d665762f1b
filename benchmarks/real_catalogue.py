"""Data folders filled with real tool documents: the data set mcp-catalogue, through the product's own sync."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from domain.identity import LOCAL
from domain.names import slug_for
from domain.servers import Launch, Transport, UpstreamServer
from index.embedders.minilm import MiniLMEmbedder
from index.ports import Embedder
from index.tool_index import open_index
from servers.fake import FakePool, FakeUpstream
from store.store import Store
from sync.engine import SyncEngine
from sync.indexer import Indexer

ROOT = Path(__file__).resolve().parent.parent
DATASETS = Path(os.environ.get("TOOLCRIB_DATASETS", ROOT.parent / "shared" / "datasets"))
NOWHERE = Launch(Transport.STREAMABLE_HTTP, url="http://127.0.0.1:9/mcp")


async def fill(folder: Path, tools: int) -> int:
    """Sync `tools` real tools (all of them when there are fewer) into a fresh data folder; returns how many."""
    return await fill_with(folder, _by_server(tools), MiniLMEmbedder())


async def fill_with(folder: Path, servers: Mapping[str, Sequence[Mapping[str, Any]]], embedder: Embedder) -> int:
    """Sync these tools, by server title, into a fresh data folder; returns how many. Closes `embedder`.

    The servers are disabled afterwards: the gateway under test must not look for them.
    """
    store = await Store.open(f"sqlite+aiosqlite:///{folder / 'toolcrib.db'}")
    index = await open_index(embedder, cache=store.vectors, path=folder / "index")
    pool = FakePool()
    engine = SyncEngine(store, pool, Indexer(store, index))
    added = 0
    try:
        slugs: set[str] = set()
        for title, listed in servers.items():
            slug = slug_for(title, slugs)
            slugs.add(slug)
            pool.upstreams[LOCAL.tenant, slug] = FakeUpstream(tools=list(listed))
            await store.servers.add(UpstreamServer(LOCAL.tenant, slug, title, NOWHERE))
            run = await engine.sync_server(LOCAL.tenant, slug, "command")
            assert run.error is None, run.error
            added += run.added
            await store.servers.update(replace(await store.servers.get(LOCAL.tenant, slug), enabled=False))
    finally:
        await engine.close()
        await index.close()
        await store.close()
    return added


def queries() -> list[str]:
    """The data set's example prompts, in their order."""
    rows = (DATASETS / "mcp-catalogue" / "queries.jsonl").read_text().splitlines()
    return [str(json.loads(row)["query"]) for row in rows]


def _by_server(limit: int) -> dict[str, list[dict[str, Any]]]:
    servers: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in (DATASETS / "mcp-catalogue" / "tools.jsonl").read_text().splitlines()[:limit]:
        tool = json.loads(row)
        servers[tool["server"]].append(
            {
                "name": tool["name"],
                "description": tool["description"] or "",
                "inputSchema": tool["input_schema"] or {"type": "object"},
            }
        )
    return servers

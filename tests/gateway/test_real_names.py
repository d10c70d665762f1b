"""The names of a real catalogue: 3,119 tools of real servers share 2,918 names, and each is reached by its own id."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from domain.names import slug_for
from domain.servers import Launch, Transport, UpstreamServer
from domain.tools import ToolDocument
from gateway.use_cases.catalogue import CatalogueReader
from store.store import Store
from sync.diff import diff

pytestmark = pytest.mark.anyio

TENANT = "default"
LEGAL = re.compile(r"[A-Za-z0-9_-]{1,64}")


def tools(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Server title and tool. Those that came without a schema get the least one may have."""
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        schema = row["input_schema"] or {"type": "object"}
        yield row["server"], {"name": row["name"], "description": row["description"], "inputSchema": schema}


async def test_every_tool_of_a_real_catalogue_is_reached_by_its_own_id(datasets: Path, tmp_path: Path) -> None:
    by_title = defaultdict[str, list[dict[str, Any]]](list)
    for title, tool in tools(datasets / "mcp-catalogue" / "tools.jsonl"):
        by_title[title].append(tool)
    assert sum(map(len, by_title.values())) == 3119
    assert len({tool["name"] for listed in by_title.values() for tool in listed}) == 2918

    store = await Store.open(f"sqlite:///{tmp_path}/names.db")
    wanted: dict[str, tuple[str, str]] = {}
    slugs: set[str] = set()
    for title, listed in by_title.items():
        slug = slug_for(title, slugs)
        slugs.add(slug)
        await store.servers.add(
            UpstreamServer(TENANT, slug, title, Launch(Transport.STREAMABLE_HTTP, url="http://127.0.0.1/mcp"))
        )
        changes = diff([], [ToolDocument.from_upstream(slug, title, raw) for raw in listed], TENANT, slug, 1)
        wanted.update((tool.tool_id, (slug, tool.document.name)) for tool in changes.added)
        await store.catalogue.apply(TENANT, slug, changes, expected_generation=0, at=0.0)

    found = await CatalogueReader(store).get_many(TENANT, list(wanted))
    await store.close()
    assert len(wanted) == 3119
    assert all(LEGAL.fullmatch(tool_id) for tool_id in wanted)
    assert {name: (tool.entry.server, tool.entry.document.name) for name, tool in found.items()} == wanted
    assert {tool.definition["name"] for tool in found.values()} == set(wanted)

"""Reading the catalogue on the request path: tools by id, from memory where they were read before."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from domain.canonical import JsonObject
from domain.tokens import estimate_tokens
from domain.tools import CatalogueTool
from store.store import Store

CAPACITY = 20_000
"""Tools kept in memory; about 3 KB each with their JSON."""


@dataclass(frozen=True, slots=True)
class ServedTool:
    """A tool as agents get it: our name, everything else as the server wrote it."""

    entry: CatalogueTool
    definition: JsonObject  # the upstream JSON with `name` replaced by the tool id
    tokens: int  # estimate for the compact JSON of `definition`

    @classmethod
    def of(cls, entry: CatalogueTool) -> ServedTool:
        definition = {
            "name": entry.tool_id,
            **{key: value for key, value in entry.document.raw.items() if key != "name"},
        }
        compact = json.dumps(definition, separators=(",", ":"), ensure_ascii=False)
        return cls(entry, definition, estimate_tokens(compact))


class CatalogueReader:
    """Tools by (tenant, tool id). `forget` must be called whenever a server's catalogue changed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._tools: OrderedDict[tuple[str, str], ServedTool] = OrderedDict()

    async def get_many(self, tenant: str, tool_ids: Sequence[str]) -> dict[str, ServedTool]:
        """The known ones, removed ones included; unknown ids are absent."""
        found = {tool_id: tool for tool_id in tool_ids if (tool := self._tools.get((tenant, tool_id))) is not None}
        missing = [tool_id for tool_id in dict.fromkeys(tool_ids) if tool_id not in found]
        if missing:
            for tool_id, entry in (await self._store.catalogue.get(tenant, missing)).items():
                found[tool_id] = self._tools[tenant, tool_id] = ServedTool.of(entry)
            while len(self._tools) > CAPACITY:
                self._tools.popitem(last=False)
        return found

    def forget(self, tenant: str, server: str) -> None:
        """Read this server's tools again."""
        stale = [key for key, tool in self._tools.items() if key[0] == tenant and tool.entry.server == server]
        for key in stale:
            del self._tools[key]

"""Reading the catalogue on the request path: tools by id or alias, from memory where they were read before."""

from __future__ import annotations

import json
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from domain.canonical import JsonObject
from domain.names import SEPARATOR
from domain.servers import UpstreamServer
from domain.tokens import BYTES_PER_TOKEN, estimate_tokens
from domain.tools import CatalogueTool
from store.store import Store

CAPACITY = 20_000
"""Tools kept in memory; about 3 KB each with their JSON."""

SERVER_AGE_S = 2.0
"""What another process changed about a server is known here after this long (R17)."""


@dataclass(frozen=True, slots=True)
class ServedTool:
    """A tool as agents get it: named by us, described by its server or an operator, the rest as the server wrote it."""

    entry: CatalogueTool
    definition: JsonObject  # the upstream JSON under our name, with the operator's description where there is one
    tokens: int  # estimate for the compact JSON of `definition`

    @classmethod
    def of(cls, entry: CatalogueTool) -> ServedTool:
        definition = entry.overlay.definition(entry.tool_id, entry.document.raw)
        compact = json.dumps(definition, separators=(",", ":"), ensure_ascii=False)
        return cls(entry, definition, estimate_tokens(compact))


class CatalogueReader:
    """Tools by tenant and name, which is a tool id or an alias: domain.overlays keeps the two apart.

    `forget` must be called whenever a server's catalogue changed.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._tools: OrderedDict[tuple[str, str], ServedTool] = OrderedDict()
        self._servers: dict[tuple[str, str], tuple[float, UpstreamServer]] = {}
        self._tokens: dict[str, int] = {}
        self._epoch = 0  # counts `forget`: what was read before it must not be kept after it

    async def server(self, tenant: str, slug: str) -> UpstreamServer:
        """A server as it was at most `SERVER_AGE_S` ago. Raises ServerNotFound."""
        read_at, server = self._servers.get((tenant, slug), (-SERVER_AGE_S, None))
        now = time.monotonic()
        if server is None or now - read_at > SERVER_AGE_S:
            epoch = self._epoch
            server = await self._store.servers.get(tenant, slug)
            if epoch == self._epoch:
                self._servers[tenant, slug] = (now, server)
        return server

    async def get_many(self, tenant: str, names: Sequence[str]) -> dict[str, ServedTool]:
        """The known ones by the name they were asked for, removed ones included; unknown names are absent."""
        found = {name: tool for name in names if (tool := self._tools.get((tenant, name))) is not None}
        missing = [name for name in dict.fromkeys(names) if name not in found]
        if missing:
            epoch = self._epoch
            aliases = [name for name in missing if SEPARATOR not in name]
            entries = await self._store.catalogue.get(tenant, [name for name in missing if SEPARATOR in name])
            if aliases:
                entries |= await self._store.catalogue.by_alias(tenant, aliases)
            read = {name: ServedTool.of(entry) for name, entry in entries.items()}
            found |= read
            if epoch == self._epoch:
                self._tools.update({(tenant, name): tool for name, tool in read.items()})
            while len(self._tools) > CAPACITY:
                self._tools.popitem(last=False)
        return found

    async def version(self, tenant: str, tool_id: str, contract: str) -> JsonObject | None:
        """The newest version of a tool that was served and whose contract hash begins so, while history has it."""
        return await self._store.versions.approved(tenant, tool_id, contract)

    async def names(self, tenant: str, server: str) -> list[str]:
        """The ids of all tools of a server, removed ones included."""
        return [entry.tool_id for entry in await self._store.catalogue.known(tenant, server)]

    def forget_all(self) -> None:
        """Read everything again."""
        self._epoch += 1
        self._servers.clear()
        self._tools.clear()

    async def tokens(self, tenant: str) -> int:
        """Estimated prompt tokens of every tool that is served, as they were counted since the catalogue changed."""
        if tenant not in self._tokens:
            epoch = self._epoch
            counted = await self._store.catalogue.definition_chars(tenant) // BYTES_PER_TOKEN
            if epoch != self._epoch:
                return counted
            self._tokens[tenant] = counted
        return self._tokens[tenant]

    def forget(self, tenant: str, server: str) -> None:
        """Read this server and its tools again."""
        self._epoch += 1
        self._tokens.pop(tenant, None)
        self._servers.pop((tenant, server), None)
        stale = [key for key, tool in self._tools.items() if key[0] == tenant and tool.entry.server == server]
        for key in stale:
            del self._tools[key]

"""Reading the catalogue on the request path: tools by id or alias, from memory where they were read before."""

from __future__ import annotations

import json
import time
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from domain.canonical import JsonObject
from domain.errors import ServerNotFound, StoreUnavailable, ToolcribError
from domain.names import SEPARATOR
from domain.servers import UpstreamServer
from domain.tokens import BYTES_PER_TOKEN, estimate_tokens
from domain.tools import CatalogueTool, ToolState
from store.store import Store

CAPACITY = 20_000
"""Tools kept in memory; about 3 KB each with their JSON."""

SERVER_AGE_S = 2.0
"""What another process changed about a server is known here after this long (R17)."""


LAST_KNOWN_S = 900.0
"""While the store is away, a server as it was this long ago is still called; then nobody knows what it is now."""

PAGE = 100


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
        self._unread: set[tuple[str, str]] | None = None  # servers to read ahead; None: all
        self._generations: dict[tuple[str, str], int] = {}  # the newest seen of each server's tools
        self._epoch = 0  # counts changes that were heard of: what was read before one must not be kept after it

    async def server(self, tenant: str, slug: str) -> UpstreamServer:
        """A server as it was at most `SERVER_AGE_S` ago. Raises ServerNotFound."""
        read_at, server = self._servers.get((tenant, slug), (-SERVER_AGE_S, None))
        now = time.monotonic()
        if server is None or now - read_at > SERVER_AGE_S:
            epoch = self._epoch
            try:
                server = await self._store.servers.get(tenant, slug)
            except StoreUnavailable:
                if server is None or now - read_at > LAST_KNOWN_S:
                    raise
                return server
            if epoch == self._epoch:
                self._servers[tenant, slug] = (now, server)
        return server

    def remembered(self, tenant: str, names: Sequence[str]) -> dict[str, ServedTool]:
        """Those that need no look into the store."""
        return {name: tool for name in names if (tool := self._tools.get((tenant, name))) is not None}

    async def read_ahead(self, most: int = CAPACITY) -> None:
        """Read what is served and not remembered, until `most` are: a search need not look into the store for them, not
        even while it is away. Raises as it does.
        """
        if self._unread is None:
            self._unread = {(server.tenant, server.slug) for server in await self._store.servers.everywhere()}
        while self._unread and len(self._tools) < most:
            tenant, slug = self._unread.pop()
            try:
                await self._read_server(tenant, slug)
            except ServerNotFound:
                continue
            except ToolcribError:
                self._unread.add((tenant, slug))  # it is as unread as before
                raise

    async def _read_server(self, tenant: str, slug: str) -> None:
        await self.server(tenant, slug)
        after = ""
        while True:
            epoch = self._epoch
            page = await self._store.catalogue.page(
                tenant, server=slug, state=ToolState.ACTIVE, after=after, limit=PAGE
            )
            if epoch != self._epoch:
                continue  # what was read may be old: the same page again
            self._notice(tenant, page)
            self._tools.update({(tenant, entry.tool_id): ServedTool.of(entry) for entry in page})
            if len(page) < PAGE:
                return
            after = page[-1].tool_id

    async def get_many(self, tenant: str, names: Sequence[str]) -> dict[str, ServedTool]:
        """The known ones by the name they were asked for, removed ones included; unknown names are absent.

        Of each server all come from one of its generations: where something was committed since the kept ones were
        read, all are read again, with one look at the store.
        """
        found = self.remembered(tenant, names)
        missing = [name for name in dict.fromkeys(names) if name not in found]
        if missing:
            epoch = self._epoch
            read = await self._read(tenant, missing)
            if found and epoch != self._epoch:
                found, read = {}, await self._read(tenant, list(dict.fromkeys(names)))
            found |= read
        return found

    async def version(self, tenant: str, tool_id: str, contract: str) -> JsonObject | None:
        """The newest version of a tool that was served and whose contract hash begins so, while history has it."""
        return await self._store.versions.approved(tenant, tool_id, contract)

    async def names(self, tenant: str, server: str) -> list[str]:
        """The ids of all tools of a server, removed ones included."""
        return [entry.tool_id for entry in await self._store.catalogue.known(tenant, server)]

    async def _read(self, tenant: str, names: Sequence[str]) -> dict[str, ServedTool]:
        """From the store, and kept unless something was committed meanwhile."""
        epoch = self._epoch
        entries = await self._store.catalogue.get(tenant, [name for name in names if SEPARATOR in name])
        if aliases := [name for name in names if SEPARATOR not in name]:
            entries |= await self._store.catalogue.by_alias(tenant, aliases)
        read = {name: ServedTool.of(entry) for name, entry in entries.items()}
        is_current = epoch == self._epoch
        self._notice(tenant, entries.values())
        if is_current:
            self._tools.update({(tenant, name): tool for name, tool in read.items()})
        while len(self._tools) > CAPACITY:
            self._tools.popitem(last=False)
        return read

    def _notice(self, tenant: str, entries: Iterable[CatalogueTool]) -> None:
        """Drop what is kept of servers that have committed a generation since: nobody may have told us yet."""
        newest: dict[str, int] = {}
        for entry in entries:
            newest[entry.server] = max(entry.generation, newest.get(entry.server, 0))
        for server, generation in newest.items():
            if generation > self._generations.get((tenant, server), 0):
                self._generations[tenant, server] = generation
                self._epoch += 1
                self._drop(tenant, server)

    def _drop(self, tenant: str, server: str) -> None:
        stale = [key for key, tool in self._tools.items() if key[0] == tenant and tool.entry.server == server]
        for key in stale:
            del self._tools[key]

    def forget_all(self) -> None:
        """Read everything again."""
        self._epoch += 1
        self._servers.clear()
        self._unread = None
        self._tokens.clear()
        self._generations.clear()
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
        if self._unread is not None:
            self._unread.add((tenant, server))
        self._generations.pop((tenant, server), None)
        self._drop(tenant, server)

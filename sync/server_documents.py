"""Keeps a document of every server in the index, for `index.routing`: its title and the names of its tools.

Beside the indexer and after it: a server's document that is a moment behind costs a search nothing but its lift. It
reads the change log with a cursor of its own, held in memory; every start, and every hour, compares everything.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from domain.errors import ToolcribError
from domain.names import SEPARATOR
from index.routing import ServerText
from store.store import Store

_log = logging.getLogger(__name__)

POLL_S = 10.0
COMPARE_S = 3600.0
LAST_RETRY_S = 300.0
_PAGE = 1000

Server = tuple[str, str]
"""Tenant and slug."""


class ServerIndex(Protocol):
    """Real: `index.tool_index.ToolIndex`. Raises the Unavailable family."""

    async def put_servers(self, servers: Sequence[ServerText]) -> None: ...

    async def drop_servers(self, servers: Iterable[Server]) -> None: ...

    async def server_digests(self) -> Mapping[str, str]:
        """Point id -> hash of every server's document."""
        ...

    def server_point(self, tenant: str, server: str) -> str: ...

    async def discard(self, point_ids: Sequence[str]) -> None: ...


class ServerDocuments:
    """The one writer of server documents in this process."""

    def __init__(self, store: Store, serving: Callable[[], ServerIndex], *, is_on: bool = True) -> None:
        """`serving`: the index that answers now; another one is compared as a whole. Off, no server has a document."""
        self._store = store
        self._serving = serving
        self._is_on = is_on
        self._index: ServerIndex | None = None
        self._cursor = 0
        self._compared_at = 0.0

    async def run(self) -> None:
        """Follow the catalogue until cancelled. What fails is tried again, ever more slowly."""
        delay = POLL_S
        while True:
            try:
                await self.follow()
            except ToolcribError as error:
                delay = min(2 * delay, LAST_RETRY_S)
                _log.warning("The documents of servers do not follow: %s Next try in %.0f s.", error.message, delay)
            else:
                delay = POLL_S
            await asyncio.sleep(delay)

    async def follow(self) -> None:
        """Bring every server's document level with the catalogue as it was when this was called."""
        index = self._serving()
        if index is not self._index or time.monotonic() - self._compared_at > COMPARE_S:
            await self._compare(index)
            return
        while self._is_on and (changes := await self._store.changes.after(self._cursor, _PAGE)):
            await self._write(index, {(change.tenant, _slug(change.tool_id)) for change in changes})
            self._cursor = changes[-1].seq

    async def _compare(self, index: ServerIndex) -> None:
        head = await self._store.changes.head()
        tools: dict[Server, list[str]] = defaultdict(list)
        for key in await self._store.catalogue.active_keys() if self._is_on else ():
            tools[key.tenant, _slug(key.tool_id)].append(key.tool_id)
        wanted = await self._texts(tools)
        held = await index.server_digests()
        points = {index.server_point(text.tenant, text.server): text for text in wanted}
        await index.discard(sorted(held.keys() - points.keys()))
        stale = [text for point, text in points.items() if held.get(point) != text.document.semantic_hash]
        await index.put_servers(stale)
        self._index, self._cursor, self._compared_at = index, head, time.monotonic()

    async def _write(self, index: ServerIndex, servers: set[Server]) -> None:
        tools = {server: await self._store.catalogue.active_ids(*server) for server in sorted(servers)}
        await index.put_servers(await self._texts({server: ids for server, ids in tools.items() if ids}))
        await index.drop_servers(server for server, ids in tools.items() if not ids)

    async def _texts(self, tools: Mapping[Server, Sequence[str]]) -> list[ServerText]:
        titles = {(one.tenant, one.slug): one.title for one in await self._store.servers.everywhere()}
        return [
            ServerText(tenant, slug, titles.get((tenant, slug), slug), tuple(_name(tool_id) for tool_id in tool_ids))
            for (tenant, slug), tool_ids in tools.items()
        ]


def _slug(tool_id: str) -> str:
    return tool_id.partition(SEPARATOR)[0]


def _name(tool_id: str) -> str:
    return tool_id.partition(SEPARATOR)[2]

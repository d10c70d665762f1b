"""The product with the market registered in it, opened as the command line opens it; and what it holds, to compare."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.finance.catalogue import TENANT
from benchmarks.finance.running import Running
from domain.catalogue import SyncRun
from gateway.settings import Settings
from gateway.wiring import Toolcrib, open_toolcrib
from index.ports import SearchRequest
from store.store import Store


@asynccontextmanager
async def house(
    folder: Path, running: Running, *, follow: bool = False, poll_s: float = 300.0
) -> AsyncIterator[Toolcrib]:
    """Open the data folder, with every server of the market registered where it is served now. `follow`: with all of
    them synced before, and from then on as `toolcrib serve` does it.
    """
    settings = Settings(data=folder, poll_s=poll_s)
    async with open_toolcrib(settings, follow=False) as crib:
        known = {server.slug: server for server in await crib.store.servers.list(TENANT)}
        for server in running.upstreams:
            if server.slug not in known:
                await crib.store.servers.add(server)
            elif known[server.slug].launch != server.launch:
                await crib.store.servers.update(replace(known[server.slug], launch=server.launch))
        if not follow:
            yield crib
            return
        await sync_all(crib)
    async with open_toolcrib(settings, follow=True) as crib:
        yield crib


async def sync_all(crib: Toolcrib, tick: Callable[[int], None] = lambda _more: None) -> list[SyncRun]:
    """Every server at once, as at a start: the product decides how many are asked side by side."""

    async def one(slug: str) -> SyncRun:
        run = await crib.engine.sync_server(TENANT, slug, "command")
        tick(1)
        return run

    return await asyncio.gather(*(one(server.slug) for server in await crib.store.servers.list(TENANT)))


@dataclass(frozen=True, slots=True)
class Held:
    """Everything that a sync may write, but its own history."""

    catalogue: tuple[tuple[str, str, int, str], ...]
    generations: tuple[tuple[str, int], ...]
    head: int

    @classmethod
    async def of(cls, store: Store) -> Held:
        tools, after = [], ""
        while page := await store.catalogue.page(TENANT, after=after, limit=1000):
            tools += page
            after = page[-1].tool_id
        return cls(
            tuple((one.tool_id, one.state.value, one.generation, one.document.contract_hash) for one in tools),
            tuple((server.slug, server.generation) for server in await store.servers.list(TENANT)),
            await store.changes.head(),
        )

    def rows_that_differ(self, other: Held) -> int:
        """Rows of tools and servers that are not in both, and changes logged between them."""
        tools = set(self.catalogue) ^ set(other.catalogue)
        return len(tools) + len(set(self.generations) ^ set(other.generations)) + abs(self.head - other.head)


async def finds(crib: Toolcrib, word: str, tool_id: str) -> bool:
    """Whether a search for a word that only one tool's text has finds that tool."""
    [ranking] = await crib.index.search(SearchRequest(TENANT, (word,), 1, "bm25"))
    return [candidate.tool_id for candidate in ranking.candidates] == [tool_id]

"""A process that never stops syncing an ever-changing server into a real store and a real index: made to be killed.

Arguments: data folder, seed. Prints one line before each step, so that a killer can choose its moment.
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Sequence
from pathlib import Path

from domain.errors import NameTaken
from domain.servers import UpstreamServer
from index.embedders.fake import HashingEmbedder
from index.ports import IndexDocument, UpsertReport
from index.tool_index import ToolIndex, open_index
from store.store import Store
from sync.engine import SyncEngine
from sync.fakes import FakeListing
from sync.indexer import Indexer
from tests.store.making import TENANT, a_document, a_server


async def open_house(folder: Path) -> tuple[Store, ToolIndex]:
    store = await Store.open(f"sqlite:///{folder}/toolcrib.db")
    return store, await open_index(HashingEmbedder(), cache=store.vectors, path=folder / "index")


class Restless:
    """Lists another set of tools every time, some of them reworded."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance

    async def list_tools(self, server: UpstreamServer) -> FakeListing:
        say("list")
        names = self._chance.sample(range(60), self._chance.randint(20, 60))
        words = ("reads", "writes", "moves")
        return FakeListing(
            tuple(a_document(f"t{n}", server=server.slug, description=self._chance.choice(words)) for n in names)
        )


class Telling:
    """The index, saying what it is about to do."""

    def __init__(self, index: ToolIndex) -> None:
        self._index = index
        self.point_id = index.point_id
        self.inventory = index.inventory
        self.question_digests = index.question_digests
        self.cursor = index.cursor

    async def upsert(self, documents: Sequence[IndexDocument]) -> UpsertReport:
        say("upsert")
        return await self._index.upsert(documents)

    async def delete(self, tenant: str, tool_ids: Sequence[str]) -> None:
        say("delete")
        await self._index.delete(tenant, tool_ids)

    async def discard(self, point_ids: Sequence[str]) -> None:
        say("discard")
        await self._index.discard(point_ids)

    async def advance(self, seq: int) -> None:
        say("advance")
        await self._index.advance(seq)


def say(step: str) -> None:
    print(step, flush=True)  # noqa: T201  the killer listens


async def main(folder: Path, seed: int) -> None:
    store, index = await open_house(folder)
    engine = SyncEngine(store, Restless(random.Random(seed)), Indexer(store, Telling(index)))
    for slug in ("files", "time"):
        try:
            await store.servers.add(a_server(slug))
        except NameTaken:
            continue
    while True:
        await engine.sync_all(TENANT, full=True)
        say("synced")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))

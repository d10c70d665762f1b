"""The writer of an index that several gateways share: the holder of its lease writes, the others wait for it.

Its cursor is in the store and moves only under the lease's token. A vector server cannot check a token, so what a
gateway wrote that had lost its lease meanwhile is logged again as changed: the present holder writes it anew. Whoever
gets the lease begins with a comparison of the whole. Refuses to know: which server it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from domain.canonical import sha256_hex
from domain.errors import IndexUnavailable
from index.ports import IndexDocument, UpsertReport
from store.leases import LeaseLost
from store.store import Store
from sync.indexer import Differences, Indexer, Key
from sync.leadership import Leadership
from sync.ports import ToolIndexPort

PATIENCE_S = 5.0
LOOK_EVERY_S = 0.2


class VersionedIndex(ToolIndexPort, Protocol):
    """An index that says with what it was built. Each version has a lease and a cursor of its own, so that during a
    rollout every gateway's index is followed by somebody.
    """

    @property
    def version(self) -> str: ...


class SharedIndexer(Indexer):
    """As its base, for whoever has the lease; `drain` of the others returns when that one has followed."""

    def __init__(
        self, store: Store, index: VersionedIndex, *, standby: Indexer | None = None, patience_s: float = PATIENCE_S
    ) -> None:
        self._patience_s = patience_s
        self._shared = FencedIndex(store, index)
        self._keeping: asyncio.Task[None] | None = None
        self._token = 0
        super().__init__(store, self._shared, standby=standby)

    @property
    def lead(self) -> Leadership:
        return self._shared.lead

    async def run(self) -> None:
        self._keep()
        try:
            await super().run()
        finally:
            await self._let_go()

    async def catch_up(self) -> None:
        """Whoever gets the lease compares the whole."""
        await self.drain()

    async def reconcile(self) -> Differences:
        """Raises LeaseLost at a gateway that does not write to this index."""
        self.lead.lease()
        return await super().reconcile()

    async def move_to(self, index: ToolIndexPort, swap: Callable[[], Awaitable[None]]) -> None:
        await super().move_to(index, swap)
        await self._let_go()
        self._shared = FencedIndex(self._store, index)  # type: ignore[arg-type]  # what served before was one too
        self._index, self._reconciled = self._shared, False
        self._keep()

    async def _drain(self) -> None:
        head = await self._store.changes.head()
        ends = asyncio.get_running_loop().time() + self._patience_s
        while asyncio.get_running_loop().time() < ends:
            if self.lead.leads and await self._drained():
                return
            if await self._store.changes.cursor(self._shared.name) >= head:
                return
            await asyncio.sleep(LOOK_EVERY_S)
        raise IndexUnavailable("The gateway that writes to the shared index has not followed yet; it goes on.")

    async def _drained(self) -> bool:
        """Whether it could be done here: the lease may be lost in the midst of it."""
        try:
            token = self.lead.lease().token
            if token != self._token:
                self._token, self._reconciled = token, False
            await super()._drain()
        except LeaseLost:
            return False
        return True

    def _keep(self) -> None:
        self._keeping = asyncio.create_task(self.lead.run())

    async def _let_go(self) -> None:
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)


class FencedIndex:
    """Implements `sync.ports.ToolIndexPort` over the shared one."""

    def __init__(self, store: Store, index: VersionedIndex) -> None:
        self._store = store
        self._index = index
        self.name = f"index:{sha256_hex(index.version)[:12]}"
        self.lead = Leadership(store, self.name)
        self._written: dict[Key, None] = {}  # since the cursor moved
        self.point_id = index.point_id
        self.inventory = index.inventory
        self.question_digests = index.question_digests

    async def upsert(self, documents: Sequence[IndexDocument]) -> UpsertReport:
        self._begin([(document.tenant, document.tool_id) for document in documents])
        return await self._index.upsert(documents)

    async def delete(self, tenant: str, tool_ids: Sequence[str]) -> None:
        self._begin([(tenant, tool_id) for tool_id in tool_ids])
        await self._index.delete(tenant, tool_ids)

    async def discard(self, point_ids: Sequence[str]) -> None:
        self._begin([])
        await self._index.discard(point_ids)

    async def cursor(self) -> int:
        """The smaller of what the store remembers and what the server does: it may have lost its collection."""
        return min(await self._index.cursor(), await self._store.changes.cursor(self.name))

    async def advance(self, seq: int) -> None:
        written, self._written = list(self._written), {}
        try:
            await self._store.changes.advance(self.name, seq, self.lead.lease())
        except LeaseLost:
            await self._store.changes.repeat(written)
            raise
        await self._index.advance(seq)

    def _begin(self, keys: Sequence[Key]) -> None:
        self.lead.lease()
        self._written.update(dict.fromkeys(keys))

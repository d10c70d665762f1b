"""Makes an index equal to the catalogue: reconciles once, then follows the change log. The store leads, always.

Safe to kill anywhere: a batch is written before the cursor moves, writing it again changes nothing, and every start
begins with a comparison of the two inventories.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import groupby

from domain.errors import EmbedderUnavailable, IndexSelfTestFailed, ToolcribError
from domain.failpoints import failpoint
from domain.questions import Question
from index.ports import IndexDocument
from servers.resilience.single_flight import SingleFlight
from store.store import Store
from store.tool_rows import IndexableTool
from sync.ports import ToolIndexPort

BATCH = 256
"""Changes per step: about a second of embedding on two cores, after which the work is durable."""

FIRST_RETRY_S = 1.0
LAST_RETRY_S = 60.0

Key = tuple[str, str]
Unfinished = EmbedderUnavailable | IndexSelfTestFailed
"""What keeps some tools from being written, and not the others."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Differences:
    """What a comparison of index and catalogue found, and repaired."""

    tools: int  # of the catalogue
    written: int = 0  # missing, or held in another form
    dropped: int = 0  # no tool of the catalogue stood behind them


class Indexer:
    """The one writer of an index. `drain` does the work; `run` is the task that repeats it when woken."""

    def __init__(
        self,
        store: Store,
        index: ToolIndexPort,
        *,
        standby: Indexer | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`standby` follows with another index whatever this one followed, or failed to: it finds the vectors made."""
        self._store = store
        self._index = index
        self._sleep = sleep
        self.standby = standby
        self._one_at_a_time = asyncio.Lock()
        self._step: SingleFlight[None] = SingleFlight()
        self._woken = asyncio.Event()
        self._reconciled = False
        self._embedded: Counter[Key] = Counter()

    def wake(self) -> None:
        """Say that the change log may have grown."""
        self._woken.set()

    def take_embedded(self, tenant: str, server: str) -> int:
        """How many texts were embedded for a server since this was last asked."""
        return self._embedded.pop((tenant, server), 0)

    async def drain(self) -> None:
        """Return when everything committed before this call is in the index.

        Callers share the work, a batch at a time: each leaves with the batch that holds what it waits for, however
        much is committed behind it. Raises IndexUnavailable, EmbedderUnavailable, StorageFull or StoreUnavailable; what
        was not done is done by the next call. Without an embedder everything is found by words until then.
        """
        try:
            await self._drain()
        finally:
            if self.standby is not None:
                self.standby.wake()

    async def _drain(self) -> None:
        head = await self._store.changes.head()
        while not await self._has_reached(head):
            await self._step.run(self._next_batch)

    async def catch_up(self) -> None:
        """`drain` without its comparison, for a start: the log is all that an index lacks whose process died. One that
        is empty, or ahead of the log, is compared nevertheless; the others are by `run`. Raises as `drain` does.
        """
        head = await self._store.changes.head()
        while 0 < await self._index.cursor() < head:
            async with self._one_at_a_time:
                await self._next_logged(await self._index.cursor())
        if await self._index.cursor() != head:
            await self.drain()

    async def reconcile(self) -> Differences:
        """Compare the whole index with the catalogue and repair what differs. Raises as `drain` does."""
        async with self._one_at_a_time:
            return await self._reconcile()

    async def move_to(self, index: ToolIndexPort, swap: Callable[[], Awaitable[None]]) -> None:
        """Follow another index from now on, once it holds everything. `swap` makes it the one that answers; nothing is
        written to either meanwhile. Raises as `drain` does; then nothing has changed.
        """
        async with self._one_at_a_time:
            await Indexer(self._store, index).drain()
            await swap()
            self._index = index

    async def run(self) -> None:
        """Drain now and whenever woken, until cancelled. Failures are logged and tried again, ever more slowly."""
        delay = FIRST_RETRY_S
        while True:
            self._woken.clear()
            try:
                await self.drain()
            except Exception as error:  # noqa: BLE001  outermost loop: an index that stops following goes stale silently
                known = isinstance(error, ToolcribError)
                _log.warning("The index does not follow: %s Next try in %.0f s.", error, delay, exc_info=not known)
                await self._sleep(delay)
                delay = min(2 * delay, LAST_RETRY_S)
                continue
            delay = FIRST_RETRY_S
            await self._woken.wait()

    async def _has_reached(self, head: int) -> bool:
        if not self._reconciled:
            return False
        cursor = await self._index.cursor()
        # One that is ahead of the log has seen a future that this store never had: it was restored from a backup.
        return cursor == head or head < cursor <= await self._store.changes.head()

    async def _next_batch(self) -> None:
        """The first time, the whole: then what the log holds behind the cursor, up to BATCH changes."""
        async with self._one_at_a_time:
            cursor = await self._index.cursor()
            if not self._reconciled or cursor > await self._store.changes.head():
                await self._reconcile()
                return
            await self._next_logged(cursor)

    async def _next_logged(self, cursor: int) -> None:
        """The next batch of the log, and all behind it while it cannot be finished."""
        away: Unfinished | None = None
        while changes := await self._store.changes.after(cursor, BATCH):
            away = await self._follow([(change.tenant, change.tool_id) for change in changes]) or away
            failpoint("index.followed")
            cursor = changes[-1].seq
            if away is None:
                await self._index.advance(cursor)
                failpoint("index.advanced")
                return
        if away is not None:
            raise away

    async def _reconcile(self) -> Differences:
        head = await self._store.changes.head()  # before the inventory: later changes are followed once more
        wanted = {
            self._index.point_id(key.tenant, key.tool_id): key for key in await self._store.catalogue.active_keys()
        }
        held = await self._index.inventory()
        orphans = sorted(held.keys() - wanted.keys())
        misasked = await self._misasked(wanted.keys() & held.keys())
        stale = [
            (key.tenant, key.tool_id)
            for point, key in wanted.items()
            if held.get(point) != key.semantic_hash or point in misasked
        ]
        if orphans or stale:
            _log.info("Index and catalogue differ: %d tools to write, %d to drop.", len(stale), len(orphans))
        if orphans:
            failpoint("index.orphans_known")
            await self._index.discard(orphans)
        away: Unfinished | None = None
        for start in range(0, len(stale), BATCH):
            away = await self._follow(stale[start : start + BATCH]) or away
        if away is not None:
            raise away
        if await self._index.cursor() != head:
            await self._index.advance(head)
        self._reconciled = True
        return Differences(len(wanted), len(stale), len(orphans))

    async def _misasked(self, points: AbstractSet[str]) -> set[str]:
        """Those of these points whose questions are not the ones that the store has."""
        held = await self._index.question_digests()
        if held is None:
            return set()
        stored = {
            self._index.point_id(tenant, tool_id): digest
            for (tenant, tool_id), digest in (await self._store.questions.digests()).items()
        }
        return {point for point in points if held.get(point) != stored.get(point)}

    async def _follow(self, keys: Sequence[Key]) -> Unfinished | None:
        """Bring some tools to their present state, whatever the log said of them then. Returns why some of them lack
        their vectors: the others need not wait for those.
        """
        away: Unfinished | None = None
        tools = await self._store.catalogue.documents(keys)
        questions = await self._store.questions.of(keys)
        documents = [_document(tool, questions) for tool in sorted(tools, key=_server)]
        try:
            await self._upsert(documents)
        except (EmbedderUnavailable, IndexSelfTestFailed):
            for server, of_server in groupby(documents, key=_owner):
                try:
                    await self._upsert(list(of_server))
                except (EmbedderUnavailable, IndexSelfTestFailed) as error:
                    _log.warning("Tools of server %r are not written to the index: %s", server[1], error.message)
                    away = error
        failpoint("index.upserted_before_deleting")
        gone = defaultdict[str, list[str]](list)
        for tenant, tool_id in sorted(set(keys) - {(tool.tenant, tool.tool_id) for tool in tools}):
            gone[tenant].append(tool_id)
        for tenant, tool_ids in gone.items():
            await self._index.delete(tenant, tool_ids)
        return away

    async def _upsert(self, documents: Sequence[IndexDocument]) -> None:
        if documents:
            self._embedded.update((await self._index.upsert(documents)).by_server)


def _owner(document: IndexDocument) -> Key:
    return document.tenant, document.server


def _server(tool: IndexableTool) -> Key:
    return tool.tenant, tool.server


def _document(tool: IndexableTool, questions: Mapping[Key, tuple[Question, ...]]) -> IndexDocument:
    return IndexDocument(
        tool.tenant,
        tool.tool_id,
        tool.server,
        tool.text,
        tool.semantic_hash,
        tool.generation,
        tool.names,
        questions.get((tool.tenant, tool.tool_id), ()),
    )

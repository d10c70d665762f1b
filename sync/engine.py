"""Syncs servers: list, diff, commit, index. The server is the truth, the store the record, the index a copy."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from domain.catalogue import CatalogueDiff, SyncRun
from domain.errors import (
    Conflict,
    EmbedderUnavailable,
    IndexSelfTestFailed,
    InvalidInput,
    ServerNotFound,
    ToolcribError,
    Unavailable,
)
from domain.failpoints import failpoint
from domain.servers import Transport, UpstreamServer
from store.leases import Lease, LeaseLost
from store.store import Store
from sync.agreements import Agreements
from sync.indexer import Indexer
from sync.lanes import MAX_CHILDREN, MAX_CONCURRENT, MAX_UNDER_WAY, Places, SyncLanes, SyncRequest
from sync.ports import CatalogueSource, Listing
from sync.reviewing import compare
from sync.safety import MassRemoval, is_mass_removal, require_same, unconfirmed

_log = logging.getLogger(__name__)


def _unfenced() -> None:
    """One gateway needs no lease."""


@dataclass(slots=True)
class _Progress:
    """How far one sync has come: what its run will say, however it ends."""

    generation: int = 0
    changes: CatalogueDiff = field(default_factory=CatalogueDiff)
    left_out: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    ttl_ms: int | None = None
    embedded: int = 0
    error: str | None = None
    list_s: float = 0.0
    store_s: float = 0.0
    index_s: float = 0.0


class SyncEngine:
    """Makes the catalogue equal to what servers list. A failure becomes a SyncRun that says so, and deletes nothing."""

    def __init__(
        self,
        store: Store,
        source: CatalogueSource,
        indexer: Indexer,
        clock: Callable[[], float] = time.time,
        on_run: Callable[[SyncRun], Awaitable[None]] | None = None,
        lease: Callable[[], Lease | None] = _unfenced,
    ) -> None:
        """`lease`: what its writes need where several gateways share the store; raises LeaseLost while it has none."""
        self._store = store
        self._source = source
        self._indexer = indexer
        self._clock = clock
        self._on_run = on_run  # awaited after each recorded run, before whoever asked for the sync is answered
        self._lease = lease
        self._lanes = SyncLanes(self._run)
        self._under_way, self._listings = Places(MAX_UNDER_WAY), Places(MAX_CONCURRENT)
        self._children = Places(MAX_CHILDREN)
        self._agreements = Agreements()

    async def sync_server(self, tenant: str, slug: str, trigger: str, *, full: bool = False) -> SyncRun:
        """Sync one server now, or join a sync of it that has not begun. `full` accepts a mass removal.

        What goes wrong upstream is told by the run's `error`. Raises ServerNotFound for an unknown name,
        StoreUnavailable and StorageFull when not even the run can be recorded, LeaseLost when another gateway took
        over.
        """
        server = await self._store.servers.get(tenant, slug)
        return await self._lanes.run(SyncRequest(tenant, slug, trigger, full, child=_is_child(server)))

    async def sync_all(
        self,
        tenant: str,
        names: Sequence[str] | None = None,
        on_progress: Callable[[SyncRun], None] | None = None,
        *,
        trigger: str = "command",
        full: bool = False,
    ) -> list[SyncRun]:
        """Sync the named servers, or all that are enabled, side by side; runs come in the order of the names.

        `on_progress` gets each run as it ends. Raises ServerNotFound before anything begins.
        """
        known = {server.slug: server for server in await self._store.servers.list(tenant)}
        for name in names or ():
            if name not in known:
                raise ServerNotFound(f"No server named {name!r} is registered; `toolcrib servers list` shows all.")
        chosen = [slug for slug, server in known.items() if server.enabled] if names is None else dict.fromkeys(names)

        async def one(slug: str) -> SyncRun:
            run = await self._lanes.run(SyncRequest(tenant, slug, trigger, full, child=_is_child(known[slug])))
            if on_progress is not None:
                on_progress(run)
            return run

        runs = await asyncio.gather(*(one(slug) for slug in chosen), return_exceptions=True)
        for run in runs:
            if isinstance(run, BaseException):
                raise run
        return [run for run in runs if isinstance(run, SyncRun)]

    async def close(self) -> None:
        """Stop every sync under way. What is committed stays."""
        await self._lanes.close()

    async def _run(self, request: SyncRequest) -> SyncRun:
        """One sync from its start to its recorded end: the outermost frame of a task of its own."""
        started = self._clock()
        progress = _Progress()
        lease = self._lease()  # of now: one that is lost and taken again meanwhile has another token
        try:
            await self._sync(request, progress, lease)
        except LeaseLost:
            raise
        except ToolcribError as failed:
            progress.error = failed.message
            if isinstance(failed, ServerNotFound):
                self._agreements.forget(request.tenant, request.slug)
                return self._ended(request, started, progress)  # removed meanwhile: nobody is left to keep history for
        except Exception:  # noqa: BLE001  a bug that one server's tools bring out must not hide the others'
            _log.exception("Sync of server %r failed in an unforeseen way.", request.slug)
            progress.error = ToolcribError().message
        run = self._ended(request, started, progress)
        await self._store.runs.add(run, lease)
        failpoint("sync.recorded")
        if self._on_run is not None:
            await self._on_run(run)
        return run

    async def _sync(self, request: SyncRequest, progress: _Progress, lease: Lease | None) -> None:
        async with self._turn(request):
            try:
                await self._commit(request, progress, lease)
            except (MassRemoval, LeaseLost):
                raise
            except Conflict:  # somebody else committed between our listing and our commit: theirs may be newer
                await self._commit(request, progress, lease)
        if not progress.changes.is_empty:
            await self._index(request, progress)

    @asynccontextmanager
    async def _turn(self, request: SyncRequest) -> AsyncIterator[None]:
        """Be among those that list and commit. The index is waited for after that, so that what is listed meanwhile
        comes into its next batch.
        """
        async with AsyncExitStack() as places:
            if request.child:
                await places.enter_async_context(self._children.place(news=request.is_news))
            await places.enter_async_context(self._under_way.place(news=request.is_news))
            yield

    async def _commit(self, request: SyncRequest, progress: _Progress, lease: Lease | None) -> None:
        """List, compare and commit. The generation read first is the one that must still stand at the commit."""
        tenant, slug = request.tenant, request.slug
        server = await self._store.servers.get_unhurried(tenant, slug)
        progress.generation = server.generation
        if not server.enabled:
            raise InvalidInput(f"Server {slug!r} is disabled; `toolcrib servers enable {slug}` switches it on.")
        listing = await self._list(server, request, progress)
        began = self._clock()
        unchanged = self._agreements.unchanged(server, listing)
        if unchanged is not None:
            progress.changes = unchanged
            return
        known = await self._store.catalogue.known(tenant, slug)
        changes = await compare(self._store, server, known, listing.documents, self._clock())
        if is_mass_removal(known, changes):
            if not request.full:
                raise unconfirmed(known, changes, slug)
            again = await self._list(server, request, progress)
            require_same(changes, await compare(self._store, server, known, again.documents, self._clock()), slug)
        failpoint("sync.before_commit")
        progress.generation = await self._store.catalogue.apply(
            tenant, slug, changes, expected_generation=server.generation, at=self._clock(), lease=lease
        )
        failpoint("sync.committed")
        self._agreements.note(server, progress.generation, listing, changes)
        progress.changes = changes
        progress.store_s = self._clock() - began

    async def _list(self, server: UpstreamServer, request: SyncRequest, progress: _Progress) -> Listing:
        async with self._listings.place(news=request.is_news):
            began = self._clock()
            failpoint("sync.before_listing")
            listing = await self._source.list_tools(server)
            failpoint("sync.listed")
            progress.list_s = self._clock() - began
        progress.left_out = tuple(listing.warnings)
        progress.ttl_ms = listing.ttl_ms
        return listing

    async def _index(self, request: SyncRequest, progress: _Progress) -> None:
        """Wait until the index has followed, so that `synced` means `found`. It may lag; the record does not."""
        began = self._clock()
        try:
            await self._indexer.drain()
            failpoint("sync.indexed")
        except EmbedderUnavailable as failed:
            self._indexer.wake()
            progress.warnings = (
                f"Stored, and found by words alone until the embedding model is back: {failed.message}",
            )
        except IndexSelfTestFailed as failed:
            self._indexer.wake()
            if (request.tenant, request.slug) in failed.servers:
                progress.warnings = (failed.message,)
        except Unavailable as failed:
            self._indexer.wake()
            progress.warnings = (f"Stored, but not searchable yet: {failed.message}",)
        progress.index_s = self._clock() - began
        progress.embedded = self._indexer.take_embedded(request.tenant, request.slug)

    def _ended(self, request: SyncRequest, started: float, progress: _Progress) -> SyncRun:
        changes = progress.changes
        return SyncRun(
            tenant=request.tenant,
            server=request.slug,
            trigger=request.trigger,
            started_at=started,
            finished_at=self._clock(),
            generation=progress.generation,
            added=len(changes.added),
            changed=len(changes.changed),
            removed=len(changes.removed),
            unchanged=changes.unchanged,
            skipped=len(progress.left_out),
            embedded=progress.embedded,
            held=changes.waiting,
            list_s=progress.list_s,
            store_s=progress.store_s,
            index_s=progress.index_s,
            error=progress.error,
            warnings=(*progress.left_out, *progress.warnings),
            ttl_s=None if progress.ttl_ms is None else progress.ttl_ms / 1000,
        )


def _is_child(server: UpstreamServer) -> bool:
    return server.launch.transport is Transport.STDIO

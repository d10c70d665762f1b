"""Reviews: what changed at the servers and waits, and the decisions about it. Each is logged with who took it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass

from domain.catalogue import CatalogueDiff
from domain.errors import Conflict, Forbidden, ToolNotFound, Unavailable
from domain.events import Event, EventKind
from domain.field_changes import ABSENT, FieldChange, field_changes
from domain.identity import Principal
from domain.review import HeldChange, HeldKind, HeldLaunch, HeldStatus, launch_changes
from domain.tools import CatalogueTool, ToolDocument
from gateway.event_log.journal import Journal
from gateway.freshness import Freshness
from gateway.use_cases.catalogue import CatalogueReader
from gateway.use_cases.launches import Launches
from store.store import Store
from store.versions import ToolVersion
from sync.indexer import Indexer

_TRIES = 5


@dataclass(frozen=True, slots=True)
class Review:
    """One held change beside what is served in its place."""

    held: HeldChange
    approved: ToolDocument | None  # None for a tool that was never served

    @property
    def changes(self) -> tuple[FieldChange, ...]:
        before = ABSENT if self.approved is None else self.approved.raw
        return field_changes(before, self.held.tool.document.raw)


@dataclass(frozen=True, slots=True)
class LaunchReview:
    """Another way to reach a server, beside the one that is used."""

    held: HeldLaunch
    changes: tuple[FieldChange, ...]


@dataclass(frozen=True, slots=True)
class Decided:
    """What was decided about one id."""

    id: str
    server: str
    kind: HeldKind
    tool_id: str | None


@dataclass(frozen=True, slots=True)
class Marks:
    """Ids of the pinned tools, and of those of which another version is held. Nothing of that version is told."""

    pinned: frozenset[str]
    held: frozenset[str]


class Reviews:
    """Looking is for admins as well: what waits was approved by nobody."""

    def __init__(
        self,
        store: Store,
        catalogue: CatalogueReader,
        launches: Launches,
        indexer: Indexer,
        journal: Journal,
        freshness: Freshness,
    ) -> None:
        self._store = store
        self._catalogue = catalogue
        self._launches = launches
        self._indexer = indexer
        self._journal = journal
        self._freshness = freshness

    async def tools(
        self, principal: Principal, server: str | None = None, status: HeldStatus | None = HeldStatus.WAITING
    ) -> list[Review]:
        """Held versions, those of one server or all. `status` None: rejected ones too. Raises Forbidden."""
        _require_admin(principal)
        held = await self._store.held_tools.list(principal.tenant, server)
        chosen = [change for change in held if status is None or change.status is status]
        served = await self._store.catalogue.get(principal.tenant, [change.tool.tool_id for change in chosen])
        return [Review(change, _document(served.get(change.tool.tool_id))) for change in chosen]

    async def launches(self, principal: Principal, server: str | None = None) -> list[LaunchReview]:
        """Raises Forbidden, SecretsUnavailable."""
        _require_admin(principal)
        present = {server.slug: server for server in await self._store.servers.list(principal.tenant)}
        return [
            LaunchReview(held, launch_changes(present[held.server].launch, held.launch))
            for held in await self._store.held_launches.list(principal.tenant, server)
            if held.server in present
        ]

    async def decide(self, principal: Principal, ids: Sequence[str], *, approve: bool) -> list[Decided]:
        """Serve these versions from now on, or keep them from being served. An id names a content: what its server
        changed again meanwhile has another one.

        Raises Forbidden; ReviewNotFound for an id that is none, before anything is decided.
        """
        _require_admin(principal)
        proposed = {held.id: held for held in await self._store.held_launches.list(principal.tenant)}
        held = [await self._store.held_tools.get(principal.tenant, one) for one in ids if one not in proposed]
        decided = [await self._decide_launch(principal, proposed[one], approve) for one in ids if one in proposed]
        for server in sorted({change.tool.server for change in held}):
            of_server = [change.id for change in held if change.tool.server == server]
            if approve:
                decided += await self._approve(principal, server, of_server)
            else:
                decided += [await self._reject(principal, one) for one in of_server]
        return decided

    async def pin(self, principal: Principal, name: str, *, pinned: bool) -> CatalogueTool:
        """Keep a tool at the version that is served, whatever the server's policy, or let it follow again.

        Raises Forbidden, ToolNotFound.
        """
        _require_admin(principal)
        found = (await self._catalogue.get_many(principal.tenant, [name])).get(name)
        if found is None:
            raise ToolNotFound(f"No tool is called {name[:128]!r}; `toolcrib search` finds the ones that are there.")
        tool, now = found.entry, time.time()
        if pinned:
            await self._store.held_tools.pin(tool, principal.subject, now)
        else:
            await self._store.held_tools.unpin(principal.tenant, tool.tool_id)
        self._log(principal, "pin" if pinned else "unpin", tool.server, tool.tool_id, tool.document.contract_hash)
        return tool

    async def marks(self, principal: Principal) -> Marks:
        """What may be said about tools to whoever sees them."""
        held = await self._store.held_tools.ids(principal.tenant)
        return Marks(frozenset(await self._store.held_tools.pins(principal.tenant)), frozenset(held))

    async def history(self, principal: Principal, name: str) -> list[ToolVersion]:
        """Every version of a tool that is kept, the newest first, also of one that was never served. Raises Forbidden,
        ToolNotFound.
        """
        _require_admin(principal)
        found = (await self._catalogue.get_many(principal.tenant, [name])).get(name)
        versions = await self._store.versions.of(principal.tenant, name if found is None else found.entry.tool_id)
        if not versions:
            raise ToolNotFound(f"No tool is called {name[:128]!r}; `toolcrib search` finds the ones that are there.")
        return versions

    async def _approve(self, principal: Principal, server: str, ids: Sequence[str]) -> list[Decided]:
        approved = await self._serve(principal, server, ids)
        self._catalogue.forget(principal.tenant, server)
        self._indexer.wake()
        with contextlib.suppress(Unavailable):  # approved they are; the index follows when it can
            await self._indexer.drain()
        self._indexer.take_embedded(principal.tenant, server)  # or the next sync would count them as its own
        await self._freshness.catalogue_changed(await self._store.changes.head())
        for change in approved:
            self._log(principal, "approve", server, change.tool.tool_id, change.tool.document.contract_hash)
        return [Decided(change.id, server, change.kind, change.tool.tool_id) for change in approved]

    async def _serve(self, principal: Principal, server: str, ids: Sequence[str]) -> list[HeldChange]:
        """A sync that commits in between is a conflict: then what it left of these ids is looked at anew."""
        tenant = principal.tenant
        for _ in range(_TRIES):
            generation = (await self._store.servers.get(tenant, server)).generation
            held = [await self._store.held_tools.get(tenant, one) for one in ids]
            served = await self._store.catalogue.get(tenant, [change.tool.tool_id for change in held])
            changes = _as_diff(held, served, principal.subject)
            with contextlib.suppress(Conflict):
                await self._store.catalogue.apply(
                    tenant, server, changes, expected_generation=generation, at=time.time()
                )
                return held
        raise Conflict(f"Server {server!r} keeps changing while it is reviewed; disable it, then review it again.")

    async def _reject(self, principal: Principal, review_id: str) -> Decided:
        change = await self._store.held_tools.reject(principal.tenant, review_id, principal.subject, time.time())
        tool = change.tool
        self._log(principal, "reject", tool.server, tool.tool_id, tool.document.contract_hash)
        return Decided(change.id, tool.server, change.kind, tool.tool_id)

    async def _decide_launch(self, principal: Principal, held: HeldLaunch, approve: bool) -> Decided:  # noqa: FBT001
        if approve:
            await self._launches.use(held.tenant, held.server, held.launch)
        await self._store.held_launches.drop(held.tenant, held.server, held.seen_at)
        self._log(principal, "approve" if approve else "reject", held.server, None, held.id)
        return Decided(held.id, held.server, HeldKind.LAUNCH, None)

    def _log(self, principal: Principal, decision: str, server: str, tool_id: str | None, content: str) -> None:
        body = {"decision": decision, "server": server, "tool_id": tool_id, "content": content}
        self._journal.record(Event(principal.tenant, principal.subject, EventKind.REVIEW, at=time.time(), body=body))


def _as_diff(held: Sequence[HeldChange], served: dict[str, CatalogueTool], by: str) -> CatalogueDiff:
    return CatalogueDiff(
        added=tuple(change.tool for change in held if change.kind is HeldKind.ADDED),
        changed=tuple(change.tool for change in held if change.kind is HeldKind.CHANGED),
        reindexed=frozenset(
            change.tool.tool_id
            for change in held
            if change.kind is HeldKind.CHANGED
            and (now := served.get(change.tool.tool_id)) is not None
            and now.document.semantic_hash != change.tool.document.semantic_hash
        ),
        released=tuple(change.tool.tool_id for change in held),
        renamed={change.renamed_from: change.tool.tool_id for change in held if change.renamed_from is not None},
        approved_by=by,
    )


def _document(tool: CatalogueTool | None) -> ToolDocument | None:
    return None if tool is None else tool.document


def _require_admin(principal: Principal) -> None:
    if not principal.is_admin:
        raise Forbidden("Reviews take the admin role; ask an admin of this Toolcrib.")

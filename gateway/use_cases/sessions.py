"""Sessions and their tool memory: minted here, bound to the principal, visible to admins of the tenant."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from domain.errors import InvalidInput
from domain.events import Event, EventKind
from domain.identity import Principal
from domain.memory import MemoryChange, MemoryEntry, ToolMemory
from domain.sessions import MemoryMode, Session, SessionLimits, mint_handle
from gateway.journal import Journal
from gateway.use_cases.catalogue import CatalogueReader, ServedTool
from store.store import Store

_Apply = Callable[[ToolMemory], MemoryChange]


@dataclass(frozen=True, slots=True)
class SessionDefaults:
    """What a session gets when its maker does not say."""

    mode: MemoryMode
    max_tools: int
    ttl_s: float


class Sessions:
    """Open, look at, change and forget sessions."""

    def __init__(self, store: Store, catalogue: CatalogueReader, journal: Journal, defaults: SessionDefaults) -> None:
        self._store = store
        self._catalogue = catalogue
        self._journal = journal
        self._defaults = defaults

    async def open(
        self, principal: Principal, *, mode: MemoryMode | None = None, max_tools: int | None = None
    ) -> Session:
        """Mint a handle for this principal."""
        now = time.time()
        session = Session(
            tenant=principal.tenant,
            id=mint_handle(),
            subject=principal.subject,
            mode=mode or self._defaults.mode,
            limits=SessionLimits(self._defaults.max_tools if max_tools is None else max_tools),
            created_at=now,
            expires_at=now + self._defaults.ttl_s,
        )
        await self._store.sessions.create(session, ToolMemory(session.limits, session.mode))
        return session

    async def show(self, principal: Principal, session_id: str) -> tuple[Session, ToolMemory]:
        """Raises SessionNotFound, also for a session of somebody else."""
        return await self._store.sessions.get(principal.tenant, _owner(principal), session_id, time.time())

    async def listing(self, principal: Principal, *, offset: int, limit: int) -> Sequence[tuple[Session, ToolMemory]]:
        return await self._store.sessions.list(
            principal.tenant, now=time.time(), subject=_owner(principal), offset=offset, limit=limit
        )

    async def forget(self, principal: Principal, session_id: str) -> None:
        """Raises SessionNotFound."""
        await self._store.sessions.forget(principal.tenant, _owner(principal), session_id, time.time())

    async def remember(
        self, principal: Principal, session_id: str, tools: Sequence[ServedTool], reason: str
    ) -> MemoryChange:
        """Take tools into the memory. Raises SessionNotFound."""
        now = time.time()
        entries = [
            MemoryEntry(tool.entry.tool_id, reason, added_at=now, tokens=tool.tokens, last_used_at=now)
            for tool in tools
        ]
        return await self._update(principal, session_id, lambda memory: memory.add(entries), reason)

    async def used(self, principal: Principal, session_id: str, tool: ServedTool) -> MemoryChange:
        """Count a call; a tool called without having been found comes in with the reason `call`."""
        now = time.time()
        entry = MemoryEntry(tool.entry.tool_id, "call", added_at=now, tokens=tool.tokens, last_used_at=now)

        def apply(memory: ToolMemory) -> MemoryChange:
            change = memory.add([entry]) if entry.tool_id not in memory.entries else MemoryChange(memory)
            return MemoryChange(
                change.memory.used(entry.tool_id, now), added=change.added, evicted=change.evicted,
                refused=change.refused,
            )  # fmt: skip

        return await self._update(principal, session_id, apply, "call")

    async def remove(self, principal: Principal, session_id: str, names: Sequence[str]) -> MemoryChange:
        """Give tools back by name; unknown ones are reported in the change, and each in the word it was asked by."""
        asked = await self._by_id(principal, names)
        change = await self._update(principal, session_id, lambda memory: memory.remove(asked), "remove_tools")
        return _in_words_of(asked, change)

    async def edit(
        self, principal: Principal, session_id: str, *, add: Sequence[str], remove: Sequence[str], pin: Sequence[str]
    ) -> MemoryChange:
        """An admin's or client's explicit edit. Raises InvalidInput for tools the catalogue does not have."""
        tools = await self._catalogue.get_many(principal.tenant, [*add, *pin])
        unknown = [name for name in (*add, *pin) if name not in tools]
        if unknown:
            raise InvalidInput(f"No such tool in the catalogue: {', '.join(unknown)}. Nothing was changed.")
        asked = await self._by_id(principal, remove)
        pinned = [tools[name].entry.tool_id for name in pin]
        now = time.time()
        entries = [
            MemoryEntry(tool_id, "edit", added_at=now, tokens=tokens, last_used_at=now)
            for tool_id, tokens in {tools[name].entry.tool_id: tools[name].tokens for name in (*add, *pin)}.items()
        ]

        def apply(memory: ToolMemory) -> MemoryChange:
            gone = memory.remove(asked)
            come = gone.memory.add(entries)
            kept = come.memory.pin(tool_id for tool_id in pinned if tool_id not in come.refused)
            return MemoryChange(
                kept, added=come.added, removed=gone.removed, evicted=come.evicted, unknown=gone.unknown,
                refused=(*gone.refused, *come.refused),
            )  # fmt: skip

        return _in_words_of(asked, await self._update(principal, session_id, apply, "edit"))

    async def _by_id(self, principal: Principal, names: Sequence[str]) -> dict[str, str]:
        """Tool id -> the name it was asked by, which may be an alias; an unknown name stands for itself."""
        known = await self._catalogue.get_many(principal.tenant, names)
        return {known[name].entry.tool_id if name in known else name: name for name in names}

    async def _update(self, principal: Principal, session_id: str, apply: _Apply, reason: str) -> MemoryChange:
        started = time.perf_counter()
        change = await self._store.sessions.update_memory(
            principal.tenant, _owner(principal), session_id, apply, time.time()
        )
        if change.added or change.removed or change.evicted or change.refused:
            self._journal.record(
                Event(
                    tenant=principal.tenant,
                    subject=principal.subject,
                    kind=EventKind.MEMORY,
                    at=time.time(),
                    session_id=session_id,
                    latency_ms=(time.perf_counter() - started) * 1e3,
                    body={
                        "reason": reason,
                        "added": change.added,
                        "removed": change.removed,
                        "evicted": change.evicted,
                        "refused": change.refused,
                        "held": len(change.memory),
                        "tokens": change.memory.tokens,
                    },
                )
            )
        return change


def _in_words_of(asked: Mapping[str, str], change: MemoryChange) -> MemoryChange:
    """The same change, told in the names that its caller used for what was to be removed."""
    removed, unknown = ([asked.get(tool_id, tool_id) for tool_id in ids] for ids in (change.removed, change.unknown))
    return replace(change, removed=tuple(removed), unknown=tuple(unknown))


def _owner(principal: Principal) -> str | None:
    """Admins of the tenant see every session of it, others their own."""
    return None if principal.is_admin else principal.subject

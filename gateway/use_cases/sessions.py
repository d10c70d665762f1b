"""Sessions and their tool memory: minted here, bound to the principal, visible to admins of the tenant."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from domain.errors import Conflict, InvalidInput, StoreUnavailable
from domain.identity import Principal
from domain.ledger import Ledger
from domain.memory import MemoryChange, ToolMemory
from domain.memory_entries import CONTRACT_CHARS, MemoryEntry
from domain.memory_ports import Deciders, Verdict
from domain.memory_turns import begin_turn, search_begins_turn, still_due
from domain.sessions import MemoryMode, Session
from domain.steady_clock import steady_time
from domain.tools import ToolState
from gateway.event_log.journal import Journal
from gateway.ledger_totals import LedgerTotals
from gateway.use_cases.budgets import Budgets
from gateway.use_cases.catalogue import CatalogueReader, ServedTool
from gateway.use_cases.memory_record import memory_event
from gateway.use_cases.session_options import SessionDefaults, SessionOptions
from store.store import Store

_Apply = Callable[[ToolMemory], MemoryChange]
_Note = Callable[[Ledger], Ledger]

_REMOVAL_TOKENS = 30
"""What remove_tools answers, about."""


@dataclass(frozen=True, slots=True)
class TurnBegun:
    """A turn that was announced: what left, what it searches for (in modes that do), what failed."""

    session: Session
    change: MemoryChange
    queries: tuple[str, ...] = ()
    degraded: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MemoryEdit:
    """Names, which may be aliases. Done in this order: unpin, remove, add, pin."""

    add: Sequence[str] = ()
    remove: Sequence[str] = ()
    pin: Sequence[str] = ()
    unpin: Sequence[str] = ()


class Sessions:
    """Open, look at, change and forget sessions."""

    def __init__(
        self,
        store: Store,
        catalogue: CatalogueReader,
        journal: Journal,
        defaults: SessionDefaults,
        deciders: Deciders | None = None,
    ) -> None:
        self._store = store
        self._catalogue = catalogue
        self._journal = journal
        self._defaults = defaults
        self._deciders = deciders or Deciders()
        self.totals = LedgerTotals()
        self.budgets = Budgets(store, defaults.prices)

    async def open(self, principal: Principal, options: SessionOptions | None = None) -> Session:
        """Mint a handle for this principal. In `passthrough` it holds the whole catalogue from the start.

        Raises InvalidInput for bounds that are none, and for a catalogue that is not small.
        """
        now = steady_time()
        session = (options or SessionOptions()).make(principal, self._defaults, now)
        memory = ToolMemory(session.limits, session.mode)
        if session.mode is MemoryMode.PASSTHROUGH:
            memory = await self._whole_catalogue(principal.tenant, memory, now)
        await self._store.sessions.create(session, memory)
        return session

    async def show(self, principal: Principal, session_id: str) -> tuple[Session, ToolMemory]:
        """Raises SessionNotFound, also for a session of somebody else."""
        return await self._store.sessions.get(principal.tenant, _owner(principal), session_id, steady_time())

    async def at_hand(self, principal: Principal, session_id: str) -> tuple[Session, ToolMemory]:
        """As `show`; while the store is away, as this process knows it. Raises SessionNotFound, and StoreUnavailable
        for one that it does not know.
        """
        try:
            return await self.show(principal, session_id)
        except StoreUnavailable:
            return await self._store.sessions.known(principal.tenant, _owner(principal), session_id, steady_time())

    async def check(self, principal: Principal, session_id: str) -> Session:
        """A session that can be used, as far as this process knows without asking the store; a change of its memory
        finds out. Raises SessionNotFound, also for a session of somebody else.
        """
        return (await self.glance(principal, session_id))[0]

    async def glance(self, principal: Principal, session_id: str) -> tuple[Session, ToolMemory]:
        """As `check`, with the memory as it was when this process last saw it: good enough to decide by."""
        return await self._store.sessions.known(principal.tenant, _owner(principal), session_id, steady_time())

    async def listing(self, principal: Principal, *, offset: int, limit: int) -> Sequence[tuple[Session, ToolMemory]]:
        return await self._store.sessions.list(
            principal.tenant, now=steady_time(), subject=_owner(principal), offset=offset, limit=limit
        )

    async def forget(self, principal: Principal, session_id: str) -> None:
        """Raises SessionNotFound."""
        await self._store.sessions.forget(principal.tenant, _owner(principal), session_id, steady_time())

    async def remember(
        self, principal: Principal, session_id: str, tools: Sequence[ServedTool], reason: str, *, by_turn: bool = False
    ) -> MemoryChange:
        """Take found tools into the memory, in a new turn where nobody announces turns. `by_turn`: a turn searched, so
        no model asked or reads an answer. Raises SessionNotFound.
        """
        now = steady_time()
        entries = [_entry(tool, reason, now) for tool in tools]
        coming = {entry.tool_id for entry in entries}
        session, seen = await self._store.sessions.known(principal.tenant, _owner(principal), session_id, now)
        verdict = Verdict(())
        if search_begins_turn(seen):
            verdict = await self._deciders.prune(session.pruner, seen, [reason])

        def apply(memory: ToolMemory) -> MemoryChange:
            if not search_begins_turn(memory):
                return memory.add(entries)
            leaving = [tool_id for tool_id in still_due(verdict.names, seen, memory) if tool_id not in coming]
            begun = begin_turn(memory, leaving)
            return begun.then(begun.memory.add(entries))

        def note(ledger: Ledger) -> Ledger:
            return ledger if by_turn else ledger.asked(sum(tool.tokens for tool in tools))

        return await self._update(principal, session_id, apply, reason, note)

    async def begin_turn(self, principal: Principal, session_id: str, messages: Sequence[str]) -> TurnBegun:
        """Announce a turn: prune, and say what to search for where the mode does. Raises SessionNotFound."""
        session, seen = await self.show(principal, session_id)
        verdict = await self._deciders.prune(session.pruner, seen, messages)

        def apply(memory: ToolMemory) -> MemoryChange:
            begun = begin_turn(memory, still_due(verdict.names, seen, memory), announced=True)
            return replace(begun, memory=_bound(memory, begun.memory))

        change = await self._update(principal, session_id, apply, "turn", Ledger.worked)
        if not session.mode.searches_at_turn:
            return TurnBegun(session, change, degraded=verdict.degraded)
        search = await self._deciders.search_for(session.pruner, change.memory, messages)
        return TurnBegun(session, change, search.names, (*verdict.degraded, *search.degraded))

    async def used(self, principal: Principal, session_id: str, tool: ServedTool) -> MemoryChange:
        """Count a call; a tool called without having been found comes in with the reason `call`, one that was folded
        with its own.
        """
        now = steady_time()
        entry = _entry(tool, "call", now)

        def apply(memory: ToolMemory) -> MemoryChange:
            come = memory.add([entry]) if entry.tool_id not in memory.entries else MemoryChange(memory)
            return replace(come, memory=come.memory.used(entry.tool_id, now))

        return await self._update(principal, session_id, apply, "call", Ledger.worked)

    async def remove(self, principal: Principal, session_id: str, names: Sequence[str]) -> MemoryChange:
        """Give tools back by name; unknown ones are reported in the change, and each in the word it was asked by.

        Raises Conflict when one is pinned; then nothing was changed.
        """
        asked = await self._by_id(principal, names)
        change = await self._update(
            principal, session_id, lambda memory: _without(memory, asked), "remove_tools", _removal
        )
        return _in_words_of(asked, change)

    async def edit(self, principal: Principal, session_id: str, asked: MemoryEdit) -> MemoryChange:
        """An admin's or client's explicit edit. Raises InvalidInput for tools that the catalogue does not have, or that
        are to be unpinned and not held; Conflict for removing a pinned one. Then nothing was changed.
        """
        tools = await self._catalogue.get_many(principal.tenant, [*asked.add, *asked.pin])
        unknown = [name for name in (*asked.add, *asked.pin) if name not in tools]
        if unknown:
            raise InvalidInput(f"No such tool in the catalogue: {', '.join(unknown)}. Nothing was changed.")
        leaving = await self._by_id(principal, asked.remove)
        unpinned = await self._by_id(principal, asked.unpin)
        pinned = [tools[name].entry.tool_id for name in asked.pin]
        now = steady_time()
        entries = [_entry(tools[name], "edit", now) for name in dict.fromkeys((*asked.add, *asked.pin))]

        def apply(memory: ToolMemory) -> MemoryChange:
            gone = _without(memory.pin(unpinned, pinned=False), leaving)
            come = gone.then(gone.memory.add(entries))
            return replace(come, memory=come.memory.pin(name for name in pinned if name not in come.refused))

        # Whoever only gives back does what `remove_tools` does.
        note = _removal if leaving and not (entries or unpinned) else _nothing
        return _in_words_of(leaving, await self._update(principal, session_id, apply, "edit", note))

    async def _whole_catalogue(self, tenant: str, memory: ToolMemory, now: float) -> ToolMemory:
        counted = sum(count.active for count in (await self._store.catalogue.counts(tenant)).values())
        if counted > memory.capacity:
            raise InvalidInput(
                f"The catalogue has {counted} tools and this session would hold {memory.capacity}; "
                "passthrough is for small catalogues, so choose another mode or a higher limit."
            )
        page = await self._store.catalogue.page(tenant, state=ToolState.ACTIVE, limit=memory.capacity)
        held = memory.add(_entry(ServedTool.of(tool), "passthrough", now) for tool in page)
        if held.refused:
            raise InvalidInput(
                f"The catalogue is larger than this session's budget of {memory.limits.max_tokens} tokens; "
                "choose another mode or a larger budget."
            )
        return held.memory

    async def _by_id(self, principal: Principal, names: Sequence[str]) -> dict[str, str]:
        """Tool id -> the name it was asked by, which may be an alias; an unknown name stands for itself."""
        known = await self._catalogue.get_many(principal.tenant, names)
        return {known[name].entry.tool_id if name in known else name: name for name in names}

    async def _update(
        self, principal: Principal, session_id: str, apply: _Apply, reason: str, note: _Note
    ) -> MemoryChange:
        """`note`: what the operation is in the session's ledger."""
        started = time.perf_counter()
        before = after = Ledger()

        def noted(memory: ToolMemory) -> MemoryChange:
            nonlocal before, after
            change = apply(memory)
            before = memory.ledger
            order = (tuple(memory.entries), tuple(change.memory.entries))
            after = note(change.memory.ledger.followed(*order))
            return replace(change, memory=replace(change.memory, ledger=after))

        change = await self._store.sessions.update_memory(
            principal.tenant, _owner(principal), session_id, noted, steady_time()
        )
        self.totals.add(before, after)
        if change.added or change.removed or change.evicted or change.refused or change.deferred:
            latency_ms = (time.perf_counter() - started) * 1e3
            self._journal.record_soon(
                partial(memory_event, principal, session_id, reason, change, (time.time(), latency_ms))
            )
        return change


def _nothing(ledger: Ledger) -> Ledger:
    return ledger


def _removal(ledger: Ledger) -> Ledger:
    return ledger.asked(_REMOVAL_TOKENS)


def _bound(before: ToolMemory, memory: ToolMemory) -> ToolMemory:
    """The memory at a turn that is announced: what it holds is bound in the next request."""
    followed = memory.ledger.followed(tuple(before.entries), tuple(memory.entries))
    return replace(memory, ledger=followed.bind(tuple(memory.entries.values())))


def _in_words_of(asked: Mapping[str, str], change: MemoryChange) -> MemoryChange:
    """The same change, told in the names that its caller used for what was to be removed."""
    removed, unknown, deferred = (
        tuple(asked.get(tool_id, tool_id) for tool_id in ids)
        for ids in (change.removed, change.unknown, change.deferred)
    )
    return replace(change, removed=removed, unknown=unknown, deferred=deferred)


def _without(memory: ToolMemory, asked: Mapping[str, str]) -> MemoryChange:
    """Raises Conflict when one of them is pinned."""
    change = memory.remove(asked)
    if change.refused:
        names = ", ".join(asked[tool_id] for tool_id in change.refused)
        raise Conflict(f"Pinned in this session's memory: {names}. Unpin first; nothing was changed.")
    return change


def _entry(tool: ServedTool, reason: str, now: float) -> MemoryEntry:
    return MemoryEntry(
        tool.entry.tool_id,
        reason,
        added_at=now,
        tokens=tool.tokens,
        last_used_at=now,
        contract=tool.entry.document.contract_hash[:CONTRACT_CHARS],
    )


def _owner(principal: Principal) -> str | None:
    """Admins of the tenant see every session of it, others their own."""
    return None if principal.is_admin else principal.subject

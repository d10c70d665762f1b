"""Short-term tool memory: which tools a session holds, since when and why. Pure rules over frozen values.

The bounds hold after every operation, whatever came before. What leaves by a rule is folded to one line; what an agent
gives back is gone. When a turn begins is in domain/memory_turns.py, who leaves first in domain/memory_order.py.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from domain.budgets import Spent
from domain.errors import InvalidInput
from domain.ledger import Ledger
from domain.memory_entries import FoldedTool, MemoryEntry
from domain.memory_order import by_last_use, by_worth
from domain.sessions import MemoryMode, SessionLimits

MAX_FOLDED = 32
"""Lines kept of tools that left; the oldest go first."""


@dataclass(frozen=True, slots=True)
class MemoryChange:
    """A new memory, and what became of each name asked for."""

    memory: ToolMemory
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    evicted: tuple[str, ...] = ()  # left by a rule, and folded
    unknown: tuple[str, ...] = ()  # asked to leave, but never held
    refused: tuple[str, ...] = ()  # no room, or pinned
    deferred: tuple[str, ...] = ()  # given back, and leaving with the next batch (cache_aware)

    def then(self, later: MemoryChange) -> MemoryChange:
        """Both as one: this one, and what was done to its memory afterwards."""
        return MemoryChange(
            later.memory,
            *(
                (*getattr(self, name), *getattr(later, name))
                for name in ("added", "removed", "evicted", "unknown", "refused", "deferred")
            ),
        )


@dataclass(frozen=True, slots=True)
class ToolMemory:
    """The tools a session holds, by id, in the order they came.

    Never more than `capacity` of them, nor more than `limits.max_tokens` tokens. Raises InvalidInput for a limit that
    the mode's own tools fill alone.
    """

    limits: SessionLimits
    mode: MemoryMode = MemoryMode.LRU
    entries: Mapping[str, MemoryEntry] = field(default_factory=dict)
    folded: Mapping[str, FoldedTool] = field(default_factory=dict)  # the oldest first
    turn: int = 0
    acted: bool = False  # whether something was called in this turn
    stepped: bool = False  # whether turns are announced; otherwise a search after a call begins one
    ledger: Ledger = field(default_factory=Ledger)  # kept by those who know what was asked; the rules leave it alone
    spent: Spent = field(default_factory=Spent)  # likewise; its bounds are the session's

    def __post_init__(self) -> None:
        if self.capacity < 1:
            raise InvalidInput(
                f"A session in mode {self.mode} has {self.mode.system_tools} tools of Toolcrib's own in it, so its "
                f"limit is at least {self.mode.system_tools + 1}, not {self.limits.max_tools}."
            )

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def capacity(self) -> int:
        """Tools it may hold: the limit, less the system tools."""
        return self.limits.max_tools - self.mode.system_tools

    @property
    def tokens(self) -> int:
        """Estimated prompt tokens of everything held."""
        return sum(entry.tokens for entry in self.entries.values())

    def contract_of(self, tool_id: str) -> str:
        """The beginning of the contract's hash as it was seen, of a tool that is held, or was; empty when unknown."""
        known = self.entries.get(tool_id) or self.folded.get(tool_id)
        return "" if known is None else known.contract

    def add(self, incoming: Iterable[MemoryEntry]) -> MemoryChange:
        """Take tools in, counted before each comes. Held ones keep their place, history and pin; folded ones come back
        with theirs.

        A mode that prunes makes room, but never by a tool of this same call or a pinned one; others refuse what does
        not fit. Nobody leaves for a tool that is refused.
        """
        coming = list(incoming)
        filling = _Filling(self, coming)
        for entry in coming:
            filling.take(entry)
        return filling.change()

    def remove(self, tool_ids: Iterable[str]) -> MemoryChange:
        """Give tools back by exact name. Unknown names are reported; pinned ones stay and are refused.

        `cache_aware` only marks them, since a removal would rewrite the prompt cache: they leave with the next batch.
        """
        entries, folded = dict(self.entries), dict(self.folded)
        said: dict[str, list[str]] = {"removed": [], "unknown": [], "refused": [], "deferred": []}
        for tool_id in dict.fromkeys(tool_ids):
            held = entries.get(tool_id)
            if held is None:
                said["unknown" if folded.pop(tool_id, None) is None else "removed"].append(tool_id)
            elif held.pinned:
                said["refused"].append(tool_id)
            elif self.mode is MemoryMode.CACHE_AWARE:
                entries[tool_id] = replace(held, released=True)
                said["deferred"].append(tool_id)
            else:
                del entries[tool_id]
                said["removed"].append(tool_id)
        memory = replace(self, entries=entries, folded=folded)
        return MemoryChange(memory, **{kind: tuple(names) for kind, names in said.items()})

    def pin(self, tool_ids: Iterable[str], *, pinned: bool = True) -> ToolMemory:
        """Keep tools from leaving. Raises InvalidInput for one that is not held."""
        entries = dict(self.entries)
        for tool_id in tool_ids:
            if tool_id not in entries:
                raise InvalidInput(f"{tool_id!r} is not in this session's memory, so it cannot be pinned.")
            entries[tool_id] = replace(entries[tool_id], pinned=pinned, released=False)
        return replace(self, entries=entries)

    def used(self, tool_id: str, at: float) -> ToolMemory:
        """Count a call. One of a tool that is not held only tells that something was done in this turn."""
        held = self.entries.get(tool_id)
        if held is None:
            return replace(self, acted=True)
        last = max(held.last_used_at, at)
        touched = replace(held, uses=held.uses + 1, last_used_at=last, seen_turn=self.turn, released=False)
        return replace(self, entries={**self.entries, tool_id: touched}, acted=True)

    def fold(self, tool_ids: Collection[str]) -> MemoryChange:
        """Let tools go, each to one line. Those that are not held, or pinned, are left as they are."""
        leaving = [e for e in self.entries.values() if e.tool_id in tool_ids and not e.pinned]
        gone = {entry.tool_id for entry in leaving}
        kept = {tool_id: entry for tool_id, entry in self.entries.items() if tool_id not in gone}
        memory = replace(self, entries=kept, folded=_folding(self.folded, leaving, self.turn))
        return MemoryChange(memory, evicted=tuple(entry.tool_id for entry in leaving))


def _folding(folded: Mapping[str, FoldedTool], leaving: Iterable[MemoryEntry], turn: int) -> dict[str, FoldedTool]:
    lines = dict(folded)
    for entry in leaving:
        lines.pop(entry.tool_id, None)
        lines[entry.tool_id] = FoldedTool(entry.tool_id, entry.reason, entry.uses, turn, entry.contract)
    return dict(list(lines.items())[-MAX_FOLDED:])


class _Filling:
    """One call of `add` under way."""

    def __init__(self, memory: ToolMemory, coming: Iterable[MemoryEntry]) -> None:
        self._memory = memory
        self._coming = {entry.tool_id for entry in coming}
        self._entries = dict(memory.entries)
        self._folded = dict(memory.folded)
        self._tokens = memory.tokens
        self._added: list[str] = []
        self._evicted: list[str] = []
        self._refused: list[str] = []

    def take(self, entry: MemoryEntry) -> None:
        turn = self._memory.turn
        held = self._entries.get(entry.tool_id)
        if held is not None:
            last = max(held.last_used_at, entry.last_used_at)
            contract = entry.contract or held.contract
            seen = replace(held, last_used_at=last, seen_turn=turn, contract=contract, released=False)
            self._entries[entry.tool_id] = seen
            return
        if not self._make_room(entry):
            self._refused.append(entry.tool_id)
            return
        line = self._folded.pop(entry.tool_id, None)
        if line is not None:
            entry = replace(entry, reason=line.reason, uses=line.uses)
        self._entries[entry.tool_id] = replace(entry, added_turn=turn, seen_turn=turn)
        self._tokens += entry.tokens
        self._added.append(entry.tool_id)

    def change(self) -> MemoryChange:
        return MemoryChange(
            replace(self._memory, entries=self._entries, folded=self._folded),
            added=tuple(self._added),
            evicted=tuple(self._evicted),
            refused=tuple(dict.fromkeys(self._refused)),
        )

    def _make_room(self, entry: MemoryEntry) -> bool:
        """Whether `entry` fits, once those that may leave for it have left."""
        if self._fits(len(self._entries), self._tokens, entry):
            return True
        staying = [held for held in self._entries.values() if held.pinned or held.tool_id in self._coming]
        mode = self._memory.mode
        if not mode.prunes_at_limit or not self._fits(len(staying), sum(held.tokens for held in staying), entry):
            return False
        kept = {held.tool_id for held in staying}
        may_leave = [held for held in self._entries.values() if held.tool_id not in kept]
        order = by_last_use(may_leave) if mode is MemoryMode.LRU else by_worth(may_leave, self._memory.turn)
        leaving: list[MemoryEntry] = []
        for held in order:
            if self._is_enough(entry):
                break
            del self._entries[held.tool_id]
            self._tokens -= held.tokens
            leaving.append(held)
        self._folded = _folding(self._folded, leaving, self._memory.turn)
        self._evicted += [held.tool_id for held in leaving]
        return True

    def _is_enough(self, entry: MemoryEntry) -> bool:
        """Whether nobody else has to leave: when it fits, and in `cache_aware` when the low watermark is reached."""
        if not self._fits(len(self._entries), self._tokens, entry):
            return False
        if self._memory.mode is not MemoryMode.CACHE_AWARE:
            return True
        limits = self._memory.limits
        low = limits.low_water
        return len(self._entries) < max(1.0, low * self._memory.capacity) and (
            limits.max_tokens is None or self._tokens + entry.tokens <= max(entry.tokens, low * limits.max_tokens)
        )

    def _fits(self, count: int, tokens: int, entry: MemoryEntry) -> bool:
        limit = self._memory.limits.max_tokens
        return count < self._memory.capacity and (limit is None or tokens + entry.tokens <= limit)

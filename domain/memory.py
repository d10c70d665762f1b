"""Short-term tool memory: which tools a session holds, since when and why. Pure rules over frozen values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from domain.errors import InvalidInput
from domain.sessions import MemoryMode, SessionLimits


@dataclass(frozen=True, slots=True)
class MemoryEntry:
    """One held tool. `tokens` is the estimated size of its schema in a prompt; times are epoch seconds."""

    tool_id: str
    reason: str  # why it came: `search: QUERY`, `call`, `admin`
    added_at: float
    tokens: int
    last_used_at: float
    uses: int = 0
    pinned: bool = False


@dataclass(frozen=True, slots=True)
class MemoryChange:
    """A new memory, and what became of each name asked for."""

    memory: ToolMemory
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    evicted: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()  # asked to leave, but never held
    refused: tuple[str, ...] = ()  # no room, or pinned


@dataclass(frozen=True, slots=True)
class ToolMemory:
    """The tools a session holds, by id, in the order they came. Never holds more than `limits.max_tools`."""

    limits: SessionLimits
    mode: MemoryMode = MemoryMode.LRU
    entries: Mapping[str, MemoryEntry] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def tokens(self) -> int:
        """Estimated prompt tokens of everything held."""
        return sum(entry.tokens for entry in self.entries.values())

    def add(self, incoming: Iterable[MemoryEntry]) -> MemoryChange:
        """Take tools in. Held ones keep their place, history and pin, and only their last use moves.

        `lru` makes room by letting the least recently used unpinned tool go, but never one of this same call;
        `autonomous` refuses what does not fit.
        """
        entries = dict(self.entries)
        added: list[str] = []
        evicted: list[str] = []
        refused: list[str] = []
        fresh: set[str] = set()
        for entry in incoming:
            held = entries.get(entry.tool_id)
            fresh.add(entry.tool_id)
            if held is not None:
                entries[entry.tool_id] = replace(held, last_used_at=max(held.last_used_at, entry.last_used_at))
                continue
            if len(entries) >= self.limits.max_tools:
                leaving = self._least_recent(entries, fresh)
                if leaving is None:
                    refused.append(entry.tool_id)
                    continue
                del entries[leaving]
                evicted.append(leaving)
            entries[entry.tool_id] = entry
            added.append(entry.tool_id)
        return MemoryChange(
            replace(self, entries=entries), added=tuple(added), evicted=tuple(evicted), refused=tuple(refused)
        )

    def remove(self, tool_ids: Iterable[str]) -> MemoryChange:
        """Give tools back by exact name. Unknown names are reported; pinned ones stay and are refused."""
        entries = dict(self.entries)
        removed: list[str] = []
        unknown: list[str] = []
        refused: list[str] = []
        for tool_id in dict.fromkeys(tool_ids):
            held = entries.get(tool_id)
            if held is None:
                unknown.append(tool_id)
            elif held.pinned:
                refused.append(tool_id)
            else:
                del entries[tool_id]
                removed.append(tool_id)
        return MemoryChange(
            replace(self, entries=entries), removed=tuple(removed), unknown=tuple(unknown), refused=tuple(refused)
        )

    def pin(self, tool_ids: Iterable[str], *, pinned: bool = True) -> ToolMemory:
        """Keep tools from leaving. Raises InvalidInput for one that is not held."""
        entries = dict(self.entries)
        for tool_id in tool_ids:
            if tool_id not in entries:
                raise InvalidInput(f"{tool_id!r} is not in this session's memory, so it cannot be pinned.")
            entries[tool_id] = replace(entries[tool_id], pinned=pinned)
        return replace(self, entries=entries)

    def used(self, tool_id: str, at: float) -> ToolMemory:
        """Count a call. A tool that is not held changes nothing."""
        held = self.entries.get(tool_id)
        if held is None:
            return self
        touched = replace(held, uses=held.uses + 1, last_used_at=max(held.last_used_at, at))
        return replace(self, entries={**self.entries, tool_id: touched})

    def _least_recent(self, entries: Mapping[str, MemoryEntry], keep: set[str]) -> str | None:
        if self.mode is not MemoryMode.LRU:
            return None
        leaving = [entry for entry in entries.values() if not entry.pinned and entry.tool_id not in keep]
        return min(leaving, key=lambda entry: (entry.last_used_at, entry.tool_id)).tool_id if leaving else None

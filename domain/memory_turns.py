"""Turns: what leaves when one begins. Pure; a pruner that is no rule hands its verdict in (domain/memory_ports.py).

A turn is what an agent does for one message of its user. An agent loop announces them; behind the MCP surface nobody
does, and the first search after a call begins one: what was found is then no longer only a plan.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from domain.memory import MemoryChange, ToolMemory
from domain.memory_entries import MemoryEntry
from domain.memory_order import by_worth, evidence_in, worth
from domain.sessions import MemoryMode

KEPT_BY_RULE = 6
"""Most unpinned tools that the rule leaves to a turn. MemTool's models left about 8."""

WORTH_KEEPING = 0.45
"""A tool that was only found is worth 1 / 2 after its turn and 1 / 3 after the next; one that was called once sinks
below this in the fourth. Both numbers were chosen on api-bank's dev and tau2's train split (docs/tool-memory.md).
"""


def search_begins_turn(memory: ToolMemory) -> bool:
    """Whether a search, of which nobody said what turn it belongs to, belongs to a new one."""
    return memory.acted and not memory.stepped


def begin_turn(memory: ToolMemory, leaving: Collection[str], *, announced: bool = False) -> MemoryChange:
    """The next turn, without the tools that leave. Pinned ones stay whoever says otherwise."""
    clock = replace(memory, turn=memory.turn + 1, acted=False, stepped=memory.stepped or announced)
    return clock.fold(leaving)


def still_due(leaving: Sequence[str], seen: ToolMemory, memory: ToolMemory) -> list[str]:
    """Of a verdict on what was seen, the tools for which nothing has changed since: a turn that runs beside this one
    may have found, called or pinned them.
    """
    return [name for name in leaving if name in memory.entries and memory.entries[name] == seen.entries.get(name)]


def due(memory: ToolMemory, messages: Sequence[str] = ()) -> tuple[str, ...]:
    """The tools that leave when the next turn begins, by the rule of the mode, the first to leave first.

    `messages` are what the coming turn is about; without them only age and use count.
    """
    match memory.mode:
        case MemoryMode.LRU:
            return _unused(memory)
        case MemoryMode.CACHE_AWARE:
            return _batch(memory, messages)
        case MemoryMode.WORKFLOW | MemoryMode.HYBRID:
            return _not_worth_keeping(memory, messages)
        case _:
            return ()


def _may_leave(memory: ToolMemory) -> list[MemoryEntry]:
    return [entry for entry in memory.entries.values() if not entry.pinned]


def _unused(memory: ToolMemory) -> tuple[str, ...]:
    """Found or called last so many turns ago: MemTool's own rule."""
    patience = memory.limits.idle_turns
    return tuple(entry.tool_id for entry in _may_leave(memory) if memory.turn + 1 - entry.seen_turn >= patience)


def _not_worth_keeping(memory: ToolMemory, messages: Sequence[str]) -> tuple[str, ...]:
    evidence = evidence_in(messages)
    order = by_worth(_may_leave(memory), memory.turn + 1, evidence)
    surplus = max(0, len(order) - KEPT_BY_RULE)
    return tuple(
        entry.tool_id
        for place, entry in enumerate(order)
        if place < surplus or entry.released or worth(entry, memory.turn + 1, evidence) < WORTH_KEEPING
    )


def _batch(memory: ToolMemory, messages: Sequence[str]) -> tuple[str, ...]:
    limits = memory.limits
    count, tokens = len(memory), memory.tokens
    too_many = count > limits.high_water * memory.capacity
    too_large = limits.max_tokens is not None and tokens > limits.high_water * limits.max_tokens
    if not too_many and not too_large:
        return ()
    leaving: list[str] = []
    for entry in by_worth(_may_leave(memory), memory.turn + 1, evidence_in(messages)):
        low_count = count <= limits.low_water * memory.capacity
        if low_count and (limits.max_tokens is None or tokens <= limits.low_water * limits.max_tokens):
            break
        leaving.append(entry.tool_id)
        count, tokens = count - 1, tokens - entry.tokens
    return tuple(leaving)

"""What an event says of a session's tool memory: what was held when the decision was taken, and what room is left."""

from __future__ import annotations

from typing import Any

from domain.events import Actor, Event, EventKind
from domain.identity import Principal
from domain.memory import MemoryChange, ToolMemory

_ACTORS = {"remove_tools": Actor.AGENT, "call": Actor.AGENT, "edit": Actor.PERSON}

MOST_NAMES = 256
"""Held tools that an event names, the latest; the limit of most sessions is 128."""


def memory_record(memory: ToolMemory, *, before: MemoryChange | None = None) -> dict[str, Any]:
    """`before`: name what was held before this change instead; the room is that of `memory`."""
    held = list(memory.entries)
    if before is not None:
        held = [*(name for name in held if name not in before.added), *before.removed, *before.evicted]
    tokens = memory.limits.max_tokens
    return {
        "memory": held[-MOST_NAMES:],
        "budget": {
            "tools": memory.capacity - len(memory),
            "tokens": None if tokens is None else tokens - memory.tokens,
        },
    }


def memory_event(
    principal: Principal, session_id: str, reason: str, change: MemoryChange, when: tuple[float, float]
) -> Event:
    """`when`: epoch seconds, and the milliseconds it took."""
    return Event(
        tenant=principal.tenant,
        subject=principal.subject,
        kind=EventKind.MEMORY,
        at=when[0],
        session_id=session_id,
        latency_ms=when[1],
        body={
            "reason": reason,
            "added": change.added,
            "removed": change.removed,
            "evicted": change.evicted,
            "refused": change.refused,
            "deferred": change.deferred,
            "turn": change.memory.turn,
            "held": len(change.memory),
            "tokens": change.memory.tokens,
            **memory_record(change.memory, before=change),
        },
        actor=_ACTORS.get(reason, Actor.GATEWAY),
    )

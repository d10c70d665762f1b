"""Sessions, memories and their changes as JSON."""

from __future__ import annotations

from typing import Any

from domain.memory import MemoryChange, ToolMemory
from domain.memory_entries import FoldedTool, MemoryEntry
from domain.sessions import Session
from gateway.presenters.budgets import budget_json


def change_json(change: MemoryChange) -> dict[str, Any]:
    """`limit` includes the system tools, `capacity` does not."""
    memory = change.memory
    return {
        "tools": len(memory),
        "limit": memory.limits.max_tools,
        "capacity": memory.capacity,
        "tokens": memory.tokens,
        "max_tokens": memory.limits.max_tokens,
        "turn": memory.turn,
        "added": change.added,
        "removed": change.removed,
        "evicted": change.evicted,
        "unknown": change.unknown,
        "refused": change.refused,
        "deferred": change.deferred,
    }


def session_json(session: Session, memory: ToolMemory) -> dict[str, Any]:
    limits = session.limits
    return {
        "id": session.id,
        "subject": session.subject,
        "mode": session.mode,
        "pruner": session.pruner,
        "max_tools": limits.max_tools,
        "max_tokens": limits.max_tokens,
        "idle_turns": limits.idle_turns,
        "high_water": limits.high_water,
        "low_water": limits.low_water,
        "created_at": session.created_at,
        "expires_at": session.expires_at,
        "ttl_s": session.ttl_s,
        "turn": memory.turn,
        "tools": len(memory),
        "system_tools": memory.mode.system_tools,
        "capacity": memory.capacity,
        "tokens": memory.tokens,
        **budget_json(session, memory.spent),
    }


def memory_json(session: Session, memory: ToolMemory) -> dict[str, Any]:
    """Everything held, and the one line that stays of what left, the newest last."""
    return {
        **session_json(session, memory),
        "entries": [_entry(entry, memory.turn) for entry in memory.entries.values()],
        "folded": [_line(line) for line in memory.folded.values()],
    }


def _entry(entry: MemoryEntry, turn: int) -> dict[str, Any]:
    return {
        "tool_id": entry.tool_id,
        "reason": entry.reason,
        "added_at": entry.added_at,
        "last_used_at": entry.last_used_at,
        "age_turns": turn - entry.added_turn,
        "idle_turns": turn - entry.seen_turn,
        "uses": entry.uses,
        "tokens": entry.tokens,
        "pinned": entry.pinned,
        "released": entry.released,
    }


def _line(line: FoldedTool) -> dict[str, Any]:
    return {"tool_id": line.tool_id, "reason": line.reason, "uses": line.uses, "left_in_turn": line.turn}

"""Sessions as rows and back. The bounds of a session beside its tool limit are one JSON object, so that a new one needs
no migration; rows of versions before have none.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from sqlalchemy import Row

from domain.budgets import Budget
from domain.memory import ToolMemory
from domain.sessions import DEFAULT_TTL_S, MemoryMode, PrunerKind, Session, SessionLimits
from store.json_text import decode, encode
from store.memory_json import decode_memory, encode_memory


def session_columns(session: Session, memory: ToolMemory) -> dict[str, Any]:
    """Everything a new row holds."""
    limits = session.limits
    bounds = {
        "max_tokens": limits.max_tokens,
        "idle_turns": limits.idle_turns,
        "high_water": limits.high_water,
        "low_water": limits.low_water,
        "ttl_s": session.ttl_s,
        "pruner": session.pruner.value,
        **({"budget": asdict(session.budget)} if session.budget else {}),
    }
    return {
        "tenant": session.tenant,
        "id": session.id,
        "subject": session.subject,
        "created_at": session.created_at,
        "expires_at": session.expires_at,
        "mode": session.mode.value,
        "max_tools": limits.max_tools,
        "bounds": encode(bounds),
        "memory": encode_memory(memory),
        "version": 0,
    }


def session_of(row: Row[Any]) -> Session:
    mode = MemoryMode(row.mode)
    bounds: dict[str, Any] = decode(row.bounds) if row.bounds else {}
    ttl_s, pruner = bounds.pop("ttl_s", DEFAULT_TTL_S), PrunerKind(bounds.pop("pruner", PrunerKind.RULE))
    budget = Budget(**bounds.pop("budget", {}))
    # Version 0004 and before knew no system tools, so a limit of theirs may have no room for any.
    limits = SessionLimits(max(row.max_tools, mode.system_tools + 1), **bounds)
    return Session(row.tenant, row.id, row.subject, mode, limits, row.created_at, row.expires_at, ttl_s, pruner, budget)


def memory_of(row: Row[Any], session: Session) -> ToolMemory:
    return decode_memory(row.memory, session.mode, session.limits)

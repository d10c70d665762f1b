"""A tool memory as one compact JSON document: a list per entry, and each reason written once.

    {"v": 1, "reasons": ["search: list files"], "tools": [
        [tool_id, reason, added_at, tokens, last_used_at, uses, pinned]]}

`reason` is a position in `reasons`: the tools that one search brought share it. Limits and mode are columns.
"""

from __future__ import annotations

from domain.memory import MemoryEntry, ToolMemory
from domain.sessions import MemoryMode, SessionLimits
from store.json_text import decode, encode

_VERSION = 1


def encode_memory(memory: ToolMemory) -> str:
    reasons: dict[str, int] = {}
    tools = [
        [
            entry.tool_id,
            reasons.setdefault(entry.reason, len(reasons)),
            entry.added_at,
            entry.tokens,
            entry.last_used_at,
            entry.uses,
            int(entry.pinned),
        ]
        for entry in memory.entries.values()
    ]
    return encode({"v": _VERSION, "reasons": list(reasons), "tools": tools})


def decode_memory(text: str, mode: MemoryMode, limits: SessionLimits) -> ToolMemory:
    document = decode(text)
    reasons = document["reasons"]
    entries = {
        tool_id: MemoryEntry(tool_id, reasons[reason], added_at, tokens, last_used_at, uses, bool(pinned))
        for tool_id, reason, added_at, tokens, last_used_at, uses, pinned in document["tools"]
    }
    return ToolMemory(limits, mode, entries)

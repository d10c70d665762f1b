"""A tool memory as one compact JSON document: a list per tool; reasons and times written once and numbered.

    {"v": 2, "reasons": ["search: list files"], "times": [1700000000.0], "turn": 3, "state": 1, "tools": [
        [tool_id, reason, added_at, tokens, last_used_at, uses, flags, added_turn, seen_turn]],
     "folded": [[tool_id, reason, uses, turn]],
     "seen": [contract of each tool, then of each folded one],
     "ledger": [12, 3, 900, 2700, 0, 0, 0, 0, 0],
     "spent": [12, 3600, 0.5, {tool_id: calls}]}

`reason`, `added_at` and `last_used_at` are positions: the tools that one search brought share them. A long document is
deflated. `seen`, `ledger` and `spent` came later and may be absent. Limits and mode are columns. Version 1 had no
turns, no folded tools, and its times in place.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping
from dataclasses import astuple
from typing import Any

from domain.budgets import Spent
from domain.ledger import Ledger
from domain.memory import ToolMemory
from domain.memory_entries import FoldedTool, MemoryEntry
from domain.sessions import MemoryMode, SessionLimits
from store.json_text import decode, encode

_VERSION = 2
_DEFLATED = "z"  # before base64; a JSON document begins with a brace
_LONG = 2048
_PINNED, _RELEASED = 1, 2
_ACTED, _STEPPED = 1, 2
_NO_LEDGER = Ledger()
_NOTHING_SPENT = Spent()


def encode_memory(memory: ToolMemory) -> str:
    reasons: dict[str, int] = {}
    times: dict[float, int] = {}
    tools = [
        [
            entry.tool_id,
            reasons.setdefault(entry.reason, len(reasons)),
            times.setdefault(entry.added_at, len(times)),
            entry.tokens,
            times.setdefault(entry.last_used_at, len(times)),
            entry.uses,
            _PINNED * entry.pinned + _RELEASED * entry.released,
            entry.added_turn,
            entry.seen_turn,
        ]
        for entry in memory.entries.values()
    ]
    folded = [
        [line.tool_id, reasons.setdefault(line.reason, len(reasons)), line.uses, line.turn]
        for line in memory.folded.values()
    ]
    document = {
        "v": _VERSION,
        "reasons": list(reasons),
        "times": list(times),
        "turn": memory.turn,
        "state": _ACTED * memory.acted + _STEPPED * memory.stepped,
        "tools": tools,
        "folded": folded,
        "seen": [
            *(entry.contract for entry in memory.entries.values()),
            *(line.contract for line in memory.folded.values()),
        ],
    }
    if memory.ledger != _NO_LEDGER:
        document["ledger"] = list(astuple(memory.ledger))
    if memory.spent != _NOTHING_SPENT:
        spent = memory.spent
        document["spent"] = [spent.calls, spent.tokens, spent.cost, dict(spent.tools)]
    text = encode(document)
    if len(text) < _LONG:
        return text
    return _DEFLATED + base64.b64encode(zlib.compress(text.encode(), level=3)).decode()


def decode_memory(text: str, mode: MemoryMode, limits: SessionLimits) -> ToolMemory:
    if text.startswith(_DEFLATED):
        text = zlib.decompress(base64.b64decode(text[len(_DEFLATED) :])).decode()
    document: Mapping[str, Any] = decode(text)
    if document["v"] == 1:
        return ToolMemory(limits, mode, _entries_of_version_1(document))
    reasons, times, state = document["reasons"], document["times"], document["state"]
    seen = iter(document.get("seen", ()))
    entries = {
        tool_id: MemoryEntry(
            tool_id, reasons[reason], times[added], tokens, times[last], uses,
            bool(flags & _PINNED), added_turn, seen_turn, next(seen, ""), bool(flags & _RELEASED),
        )
        for tool_id, reason, added, tokens, last, uses, flags, added_turn, seen_turn in document["tools"]
    }  # fmt: skip
    folded = {
        tool_id: FoldedTool(tool_id, reasons[reason], uses, turn, next(seen, ""))
        for tool_id, reason, uses, turn in document["folded"]
    }
    acted, stepped = bool(state & _ACTED), bool(state & _STEPPED)
    ledger = Ledger(*document.get("ledger", ()))
    spent = Spent(*document.get("spent", ()))
    return ToolMemory(limits, mode, entries, folded, document["turn"], acted, stepped, ledger, spent)


def _entries_of_version_1(document: Mapping[str, Any]) -> dict[str, MemoryEntry]:
    reasons = document["reasons"]
    return {
        tool_id: MemoryEntry(tool_id, reasons[reason], added_at, tokens, last_used_at, uses, bool(pinned))
        for tool_id, reason, added_at, tokens, last_used_at, uses, pinned in document["tools"]
    }

"""What a tool memory is made of: tools held in full, and the one line that stays of a tool that left."""

from __future__ import annotations

from dataclasses import dataclass

CONTRACT_CHARS = 16
"""Hex digits kept of a contract's hash. To pass for the version that was seen, another would have to match all 64 bits,
2^63 tries on average; whole hashes would double what a session's row holds.
"""


@dataclass(frozen=True, slots=True)
class MemoryEntry:
    """One held tool. `tokens` is the estimated size of its schema in a prompt; times are epoch seconds, ages turns."""

    tool_id: str
    reason: str  # why it came: `search: QUERY`, `call`, `edit`
    added_at: float
    tokens: int
    last_used_at: float  # found or called
    uses: int = 0  # calls
    pinned: bool = False
    added_turn: int = 0
    seen_turn: int = 0  # the last turn in which it was found or called
    contract: str = ""  # the beginning of the hash of the contract that its finder saw; empty when nobody knows
    released: bool = False  # given back while the tool array must not shrink: it is the first to leave


@dataclass(frozen=True, slots=True)
class FoldedTool:
    """One line of a tool that left: enough to call it or take it back by its name, without a search."""

    tool_id: str
    reason: str
    uses: int
    turn: int  # in which it left
    contract: str = ""

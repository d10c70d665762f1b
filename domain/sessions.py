"""Sessions: ours, never the transport's. The handle is the id, and useless without its principal."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from enum import StrEnum

from domain.budgets import Budget
from domain.errors import InvalidInput

HANDLE_PREFIX = "s_"
DEFAULT_TTL_S = 24 * 3600.0
LIFETIMES = 30
"""A session that is used expires later and later, but never after this many times its time to live."""

MAX_TOOLS = 4096
_META_TOOLS = 3  # search_tools, call_tool, remove_tools


class MemoryMode(StrEnum):
    """Who removes tools from a session's memory. The first three are MemTool's (arXiv 2507.21428, section 3)."""

    AUTONOMOUS = "autonomous"  # the agent does, by remove_tools; at the limit a search says so
    WORKFLOW = "workflow"  # every turn a pruner does, then a searcher searches; the agent does neither
    HYBRID = "hybrid"  # every turn a pruner does; the agent searches
    LRU = "lru"  # those unused for some turns leave, and at the limit the least recently used
    CACHE_AWARE = "cache_aware"  # nobody between watermarks, then a batch; the turn and the agent both search
    PASSTHROUGH = "passthrough"  # nobody: a small catalogue is held as a whole

    @property
    def prunes_at_limit(self) -> bool:
        """Whether room is made for a tool that is added, instead of refusing it."""
        return self not in {MemoryMode.AUTONOMOUS, MemoryMode.PASSTHROUGH}

    @property
    def asks_pruner(self) -> bool:
        """Whether a pruner decides at every turn: a rule, a policy or a model, as the session says."""
        return self in {MemoryMode.WORKFLOW, MemoryMode.HYBRID}

    @property
    def searches_at_turn(self) -> bool:
        """Whether an announced turn searches for what its messages need. `cache_aware` does beside its agent: what is
        appended keeps the prompt cache, and an agent that searches for something else spoils nothing.
        """
        return self in {MemoryMode.WORKFLOW, MemoryMode.CACHE_AWARE}

    @property
    def system_tools(self) -> int:
        """Tools that stand beside the memory in the prompt, and count against its limit."""
        return 0 if self in {MemoryMode.WORKFLOW, MemoryMode.PASSTHROUGH} else _META_TOOLS


class PrunerKind(StrEnum):
    """Who decides what leaves at a turn, in the modes that ask. The rule answers whenever another one fails."""

    RULE = "rule"
    POLICY = "policy"
    LLM = "llm"


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """Bounds of one tool memory. Both watermarks are shares of the limits."""

    max_tools: int = 128  # MemTool's L; the system tools are among them
    max_tokens: int | None = None  # estimated tokens of everything held
    idle_turns: int = 2  # lru: a tool that was not found or called for so many turns leaves
    high_water: float = 0.75  # cache_aware: above this a turn begins with a batch of evictions
    low_water: float = 0.5  # cache_aware: down to this

    def __post_init__(self) -> None:
        if not 1 <= self.max_tools <= MAX_TOOLS:
            raise InvalidInput(f"A session holds between 1 and {MAX_TOOLS} tools, not {self.max_tools}.")
        if self.max_tokens is not None and self.max_tokens < 1:
            raise InvalidInput(f"A session's token budget is at least 1, not {self.max_tokens}.")
        if self.idle_turns < 1:
            raise InvalidInput(f"Tools leave after at least 1 turn without use, not {self.idle_turns}.")
        if not 0 < self.low_water < self.high_water <= 1:
            raise InvalidInput(
                f"Watermarks are shares with 0 < low < high <= 1, not {self.low_water} and {self.high_water}."
            )


@dataclass(frozen=True, slots=True)
class Session:
    """One agent's session. Times are seconds since the epoch, spans seconds."""

    tenant: str
    id: str
    subject: str
    mode: MemoryMode
    limits: SessionLimits
    created_at: float
    expires_at: float
    ttl_s: float = DEFAULT_TTL_S
    pruner: PrunerKind = PrunerKind.RULE
    budget: Budget = field(default_factory=Budget)

    def extended(self, now: float) -> float:
        """When it expires if it is used now: later with every use, within its bound, and never earlier than before."""
        return max(self.expires_at, min(now + self.ttl_s, self.created_at + LIFETIMES * self.ttl_s))

    def is_expired(self, now: float) -> bool:
        return now >= self.expires_at


def mint_handle() -> str:
    """A fresh handle: 128 random bits, URL-safe."""
    return HANDLE_PREFIX + secrets.token_hex(16)

"""Sessions: ours, never the transport's. The handle is the id, and useless without its principal."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from enum import StrEnum

from domain.errors import InvalidInput

HANDLE_PREFIX = "s_"
DEFAULT_TTL_S = 24 * 3600.0
MAX_TOOLS = 4096


class MemoryMode(StrEnum):
    """Who removes tools from a session's memory (MemTool, arXiv 2507.21428, section 3)."""

    AUTONOMOUS = "autonomous"  # the agent does, by remove_tools; at the limit a search says so
    LRU = "lru"  # the least recently used leave when the limit is reached


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """Bounds of one tool memory."""

    max_tools: int = 128  # MemTool's L

    def __post_init__(self) -> None:
        if not 1 <= self.max_tools <= MAX_TOOLS:
            raise InvalidInput(f"A session holds between 1 and {MAX_TOOLS} tools, not {self.max_tools}.")


@dataclass(frozen=True, slots=True)
class Session:
    """One agent's session. Times are seconds since the epoch."""

    tenant: str
    id: str
    subject: str
    mode: MemoryMode
    limits: SessionLimits
    created_at: float
    expires_at: float

    def is_expired(self, now: float) -> bool:
        return now >= self.expires_at


def mint_handle() -> str:
    """A fresh handle: 128 random bits, URL-safe."""
    return HANDLE_PREFIX + secrets.token_hex(16)

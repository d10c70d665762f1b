"""How long an upstream may take, and how much it may send, before we stop listening."""

from __future__ import annotations

from dataclasses import dataclass, field

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds. Tests shorten them; the product keeps the defaults."""

    connect_s: float = 10.0  # start of the process or socket to the end of the handshake
    probe_s: float = 3.0  # of those, for the current revision's `server/discover` before the handshake is tried
    list_s: float = 30.0  # all pages of one listing
    call_s: float = 60.0  # one call, unless its caller says otherwise; queueing and connecting included
    idle_s: float = 300.0  # without a request, then the connection is closed
    stop_s: float = 2.0  # for a child to exit by itself after its stdin closed


@dataclass(frozen=True, slots=True)
class Caps:
    """Sizes. Sources: security-and-reliability S14 and R6, protocol section 1.2 (pages)."""

    message_bytes: int = 16 * MIB  # one JSON-RPC message, before it is parsed
    list_bytes: int = 8 * MIB  # one whole listing
    tool_bytes: int = MIB  # one tool of it
    tools: int = 10_000
    pages: int = 64
    in_flight: int = 16  # requests at one upstream at a time
    queued: int = 64  # waiting behind them; one more is refused


@dataclass(frozen=True, slots=True)
class Limits:
    """Deadlines and caps of one pool."""

    deadlines: Deadlines = field(default_factory=Deadlines)
    caps: Caps = field(default_factory=Caps)

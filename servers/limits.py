"""How long an upstream may take, and how much it may send, before we stop listening."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from servers.access import Access, NoAccess
from servers.idle_sockets import IdleSockets
from servers.large_results.spool import Spool

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
    sessions: int = 64  # connections to one address, where it keeps a session for each
    processes: int = 8  # the same of one command, where its admin wants one for each session of agents


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long a failing server is left alone: full jitter between `first_s` and a bound that doubles up to a cap.

    Starting a process costs this machine something, knocking at an address next to nothing: an address is asked again
    soon enough to be in use within 10 s of its recovery (R10), its handshake included.
    """

    failures: int = 5  # in a row, until it is left alone
    first_s: float = 1.0
    process_cap_s: float = 60.0
    address_cap_s: float = 6.0
    address_connect_s: float = 3.0

    def delay(self, times: int, cap_s: float, chance: float) -> float:
        """Seconds before the attempt after the `times`-th one in a row failed; `chance` in [0, 1)."""
        bound = min(cap_s, self.first_s * 2.0 ** min(times, 32))
        return self.first_s + chance * (bound - self.first_s)


@dataclass(frozen=True, slots=True)
class Limits:
    """Deadlines, caps and patience of one pool; access, spool and open sockets, which its connections share."""

    deadlines: Deadlines = field(default_factory=Deadlines)
    caps: Caps = field(default_factory=Caps)
    backoff: Backoff = field(default_factory=Backoff)
    access: Access = field(default_factory=NoAccess)
    idle_sockets: IdleSockets[Any] = field(default_factory=IdleSockets, compare=False)
    spool: Spool | None = None  # where results over `message_bytes` go; without one they are refused

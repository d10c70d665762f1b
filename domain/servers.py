"""Upstream MCP servers: how to reach them, and how they fare."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlsplit

from domain.errors import InvalidInput
from domain.names import is_slug


class Transport(StrEnum):
    """How a server is reached."""

    STDIO = "stdio"  # a child process of ours
    STREAMABLE_HTTP = "streamable-http"
    SSE = "sse"  # HTTP+SSE of revision 2024-11-05


class ReviewPolicy(StrEnum):
    """Which changes of a server's tools wait for a person (domain/review.py). Warnings and pins hold under each."""

    ACCEPT = "accept"  # none
    ACCEPT_NON_SEMANTIC = "accept-non-semantic"  # those that say anything else to a model or a caller
    HOLD = "hold"  # all, and every new tool


@dataclass(frozen=True, slots=True)
class Launch:
    """Everything needed to reach a server. `env` and `headers` may hold secrets: never shown, never logged."""

    transport: Transport
    command: tuple[str, ...] = ()  # argv, never a shell line
    cwd: str | None = None
    url: str | None = None
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if self.transport is Transport.STDIO:
            if not self.command or not self.command[0] or any("\0" in part for part in self.command):
                raise InvalidInput("A stdio server needs a command; write it after `--`.")
            if self.url:
                raise InvalidInput("A server has either a command or a URL, not both.")
            return
        if self.command:
            raise InvalidInput("A server has either a command or a URL, not both.")
        try:
            parts = urlsplit(self.url or "")
            usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:  # brackets that do not close, a port that is no number
            usable = False
        if not usable:
            raise InvalidInput(f"A {self.transport} server needs a URL that begins with http:// or https://.")

    @property
    def display(self) -> str:
        """The exact command, or the URL without credentials and query: safe to show."""
        if self.transport is Transport.STDIO:
            return " ".join(self.command)
        parts = urlsplit(self.url or "")
        host = parts.netloc.rpartition("@")[2]
        return f"{parts.scheme}://{host}{parts.path}"


class Sharing(StrEnum):
    """Who meets the same state at a server."""

    AUTO = "auto"  # those of one agent session where it keeps a session of the protocol; everybody at a child process
    SESSION = "session"  # those of one agent session: each has a connection of its own, of a command a process
    SHARED = "shared"  # everybody: what it keeps for a connection does not matter


@dataclass(frozen=True, slots=True)
class UpstreamServer:
    """A registered server. `slug` is ours, unique per tenant and never changed; `title` is what people call it."""

    tenant: str
    slug: str
    title: str
    launch: Launch
    enabled: bool = True
    generation: int = 0  # counts the catalogue changes committed for this server; 0 = never synced
    trusted: bool = False  # whether an admin relies on what it says about its tools: read-only, idempotent
    allow_private: bool = False  # whether what it points to (its authorization server) may be on a private network
    sharing: Sharing = Sharing.AUTO
    review: ReviewPolicy = ReviewPolicy.ACCEPT
    held: int = 0  # tool versions that are kept from being served, rejected ones among them; the store counts them
    unreadable: str | None = None  # why its stored credentials cannot be opened; `launch` is then without them

    def __post_init__(self) -> None:
        if not is_slug(self.slug):
            raise InvalidInput(f"{self.slug!r} is no server name: use 1 to 14 of a-z, 0-9 and hyphen.")


class Circuit(StrEnum):
    """Whether requests reach a server that keeps failing (security-and-reliability R10)."""

    CLOSED = "closed"  # they do
    OPEN = "open"  # they are answered at once, without asking it
    HALF_OPEN = "half-open"  # one request is trying whether it is back, the others are answered at once


class ServerStatus(StrEnum):
    """What the connection to a server is doing."""

    DISABLED = "disabled"  # switched off by an operator
    IDLE = "idle"  # no connection is open; the next request opens one
    CONNECTING = "connecting"  # handshake in progress
    READY = "ready"  # connected, answers
    NEEDS_AUTHORIZATION = "needs-authorization"  # a person has to allow it first: `authorize_url`
    FAILED = "failed"  # the last attempt failed; `error` says why


@dataclass(frozen=True, slots=True)
class ServerHealth:
    """A server's connection as seen from here."""

    status: ServerStatus
    error: str | None = None
    protocol_version: str | None = None
    server_name: str | None = None
    server_version: str | None = None
    instructions: str | None = None
    circuit: Circuit = Circuit.CLOSED
    authorize_url: str | None = None  # where a person allows it; empty when no gateway listens for the answer

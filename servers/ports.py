"""What the rest of the house sees of this room. Real: `servers/pool.py`; fake: `servers/fake.py`."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from domain.servers import ServerHealth, UpstreamServer
from servers.large_results.spool import Span
from servers.listing import Listing

OnListChanged = Callable[[str, str], None]
"""Tenant and slug of a server that says its tools changed. Called in the event loop; must not block or raise."""


@dataclass(frozen=True, slots=True)
class CallResult:
    """The server's CallToolResult, untouched: content, structuredContent, isError, _meta and what else it sent.

    One over the cap is not parsed: its JSON text is `large`, whoever takes it drops its file, and `raw` is empty.
    """

    raw: Mapping[str, Any]
    large: Span | None = None

    @property
    def is_error(self) -> bool:
        """Whether the tool says that it failed: an answer, not an exception."""
        return self.raw.get("isError") is True


class Pool(Protocol):
    """Every upstream server, by tenant and slug. Servers are given, not registered: the store is the record."""

    async def list_tools(self, server: UpstreamServer) -> Listing:
        """Every tool the server offers now. Raises UpstreamError, Overloaded."""
        ...

    async def call(
        self,
        server: UpstreamServer,
        name: str,
        arguments: Mapping[str, Any],
        *,
        timeout_s: float | None = None,
        repeatable: bool = False,
        owner: Hashable = "",
    ) -> CallResult:
        """Call one tool; it is executed at most once, unless a call of it may be `repeatable` when it failed.

        `owner`: whose call it is, for servers that keep state: only calls of one owner meet the same state there.
        `timeout_s` covers waiting, connecting and repeating; None means the default, 60.
        Raises UpstreamError (UpstreamRefused carries the server's own error code), Overloaded, InvalidInput.
        """
        ...

    def health(self, tenant: str, slug: str) -> ServerHealth:
        """How its connection fares; IDLE for a server never used."""
        ...

    def stderr(self, tenant: str, slug: str) -> str:
        """The last 64 KiB of a stdio server's standard error; may hold secrets, so it is for admins."""
        ...

    async def drop(self, tenant: str, slug: str) -> None:
        """Close and forget: its settings changed, or it was removed."""
        ...

    async def aclose(self) -> None:
        """Close everything; no child process survives it."""
        ...

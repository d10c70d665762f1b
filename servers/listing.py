"""What one full listing of a server's tools brought."""

from __future__ import annotations

from dataclasses import dataclass, field

from domain.tools import ToolDocument


@dataclass(frozen=True, slots=True)
class Listing:
    """All tools of one server, in its order. `warnings` are sentences about entries that were left out.

    A Listing is always complete: what could not be listed to its end is an error, so that a missing tool is a
    removed one. `ttl_ms` is how long the server asks it to be trusted, where the revision has that.
    """

    documents: tuple[ToolDocument, ...]
    warnings: tuple[str, ...] = ()
    ttl_ms: int | None = None
    protocol_version: str | None = None
    mirrored: dict[str, dict[tuple[str, ...], str]] = field(default_factory=dict, repr=False)

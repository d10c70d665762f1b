"""A server's whole tool list, as documents: every page, every keyword, bounded in pages, tools and bytes.

Refuses to know: what the catalogue held before, and what anybody does with the documents.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from mcp.shared.inbound import find_invalid_x_mcp_header, x_mcp_header_map

from domain.errors import InvalidTool, UpstreamProtocolError
from domain.servers import UpstreamServer
from domain.tools import ToolDocument
from servers.direct import json_bytes
from servers.limits import MIB, Caps
from servers.listing import LateDocuments, Listing
from servers.negotiation import Era, Peer

FetchPage = Callable[[str | None], Awaitable[Mapping[str, Any]]]
"""A cursor, None for the first page -> the raw result of `tools/list`."""

_MAX_WARNINGS = 100


async def collect(
    server: UpstreamServer, peer: Peer, caps: Caps, fetch: FetchPage, before: Listing | None = None
) -> Listing:
    """Drain all pages. Raises UpstreamProtocolError when the list has no end we would wait for, or is no list.

    `before`: what the same server with the same settings listed earlier; what is the same is not examined again.
    """
    if not peer.has_tools:
        return Listing((), protocol_version=peer.protocol_version)
    drained = _Drained(server, caps)
    cursor: str | None = None
    seen: set[str] = set()
    for _ in range(caps.pages):
        page = await fetch(cursor)
        drained.take(page)
        cursor = _next_cursor(server, page)
        if cursor is None:
            return _listing(server, peer, caps, drained, before)
        if cursor in seen:
            raise _endless(server, "its pages come round in a circle")
        seen.add(cursor)
    raise _endless(server, f"it has more than {caps.pages} pages")


def _listing(server: UpstreamServer, peer: Peer, caps: Caps, drained: _Drained, before: Listing | None) -> Listing:
    def examined() -> _Gathering:
        gathering = _Gathering(server, peer.era, caps)
        for entry in drained.entries:
            gathering.take(entry)
        return gathering

    digest = drained.digest(peer.protocol_version)
    if before is not None and digest and digest == before.digest:
        documents = LateDocuments(lambda: tuple(examined().documents.values()))
        return replace(before, documents=documents, ttl_ms=drained.ttl_ms)
    found = examined()
    return Listing(
        tuple(found.documents.values()),
        tuple(found.warnings),
        drained.ttl_ms,
        peer.protocol_version,
        found.mirrored,
        digest,
    )


class _Drained:
    """The pages of a listing as they came: their entries, weighed, and what tells them from others."""

    def __init__(self, server: UpstreamServer, caps: Caps) -> None:
        self.entries: list[object] = []
        self.ttl_ms: int | None = None
        self._server = server
        self._caps = caps
        self._size = 0
        self._hash: Any = hashlib.sha256()  # None: some of it cannot be written, so nothing is known to be the same

    def take(self, page: Mapping[str, Any]) -> None:
        tools = page.get("tools")
        if not isinstance(tools, list):
            raise UpstreamProtocolError(
                f"Server {self._server.slug!r} answered tools/list without a list of tools; report it to its author."
            )
        self._take_ttl(page.get("ttlMs"))
        self.entries += tools
        if len(self.entries) > self._caps.tools:
            raise _endless(self._server, f"it has more than {self._caps.tools} tools")
        self._weigh(tools)

    def digest(self, version: str) -> str:
        """Empty where it cannot be told."""
        return "" if self._hash is None else f"{version} {self._hash.hexdigest()}"

    def _weigh(self, tools: list[object]) -> None:
        """Bytes as compact JSON, counted against the list, page by page: none is kept that would not be taken."""
        try:
            written = json_bytes.write(tools)
        except (ValueError, TypeError, RecursionError):  # an integer of thousands of digits: weighed entry by entry
            self._hash = None
            return
        self._size += len(written)
        if self._size > self._caps.list_bytes:
            raise _endless(self._server, f"it is larger than {self._caps.list_bytes / MIB:g} MiB")
        if self._hash is not None:
            self._hash.update(written)

    def _take_ttl(self, ttl: object) -> None:
        if isinstance(ttl, int | float) and not isinstance(ttl, bool) and ttl >= 0:
            self.ttl_ms = int(ttl) if self.ttl_ms is None else min(self.ttl_ms, int(ttl))


@dataclass(slots=True)
class _Gathering:
    """The examination of a listing's entries."""

    server: UpstreamServer
    era: Era
    caps: Caps
    documents: dict[str, ToolDocument] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    mirrored: dict[str, dict[tuple[str, ...], str]] = field(default_factory=dict)
    size: int = 0

    def take(self, entry: object) -> None:
        """Keep one entry, or leave it out with a warning; the others are not affected."""
        if not isinstance(entry, dict):
            self._warn(f"Server {self.server.slug!r} lists something that is no tool; it was left out.")
            return
        try:
            size = self._measure(entry)
            self._keep(entry, size)
        except InvalidTool as error:
            self._warn(error.message)

    def _measure(self, entry: dict[str, Any]) -> int:
        """Bytes as compact JSON, counted against the list. NaN is measured too, and refused later."""
        try:
            text = json.dumps(entry, ensure_ascii=False, separators=(",", ":"))
        except ValueError as error:  # an integer of thousands of digits
            raise InvalidTool(f"Server {self.server.slug!r} lists a tool that is no JSON ({error}).") from error
        size = len(text.encode("utf-8", "surrogatepass"))
        self.size += size
        if self.size > self.caps.list_bytes:
            raise _endless(self.server, f"it is larger than {self.caps.list_bytes / MIB:g} MiB")
        return size

    def _keep(self, entry: dict[str, Any], size: int) -> None:
        document = ToolDocument.from_upstream(self.server.slug, self.server.title, entry)
        label = f"Tool {document.name!r} of server {self.server.slug!r}"
        if size > self.caps.tool_bytes:
            raise InvalidTool(f"{label} is larger than {self.caps.tool_bytes / MIB:g} MiB; it was left out.")
        if document.name in self.documents:
            raise InvalidTool(f"{label} is listed twice; the first entry was kept.")
        if self.era is Era.MODERN:
            reason = find_invalid_x_mcp_header(document.input_schema)
            if reason is not None:
                raise InvalidTool(f"{label} asks for an invalid mirrored header ({reason}); it was left out.")
            if headers := x_mcp_header_map(document.input_schema):
                self.mirrored[document.name] = headers
        self.documents[document.name] = document

    def _warn(self, sentence: str) -> None:
        if len(self.warnings) < _MAX_WARNINGS:
            self.warnings.append(sentence)


def _next_cursor(server: UpstreamServer, page: Mapping[str, Any]) -> str | None:
    cursor = page.get("nextCursor")
    if cursor is None or cursor == "":
        return None
    if not isinstance(cursor, str):
        raise UpstreamProtocolError(
            f"Server {server.slug!r} gave a page of tools a cursor that is no text; report it to its author."
        )
    return cursor


def _endless(server: UpstreamServer, why: str) -> UpstreamProtocolError:
    return UpstreamProtocolError(
        f"The tool list of server {server.slug!r} was not taken, because {why}; what was stored before is kept."
    )

"""Tools as their servers describe them, and as the catalogue keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, cast

from domain.canonical import contract_hash, sha256_hex
from domain.errors import InvalidTool
from domain.overlays import NONE, Overlay
from domain.text import ToolText, stable_text, tool_text

MAX_TOOL_NAME = 512
"""Longer than any legal name (128, SEP-986); what exceeds it is an attack or a bug, not a name."""


@dataclass(frozen=True, slots=True, order=True)
class ToolId:
    """A tool's identity: the server's slug, which we choose and keep, and the name the server gave it."""

    server: str
    name: str


@dataclass(frozen=True, slots=True)
class ToolDocument:
    """One tool as listed by its server. `raw` is the upstream JSON object, lossless and never edited."""

    id: ToolId
    raw: Mapping[str, Any]
    text: ToolText
    contract_hash: str
    semantic_hash: str

    @classmethod
    def from_upstream(cls, server: str, server_title: str, raw: Mapping[str, Any]) -> ToolDocument:
        """Check and hash one entry of a `tools/list` answer.

        Raises InvalidTool when it has no usable name, its inputSchema is no object schema, or it is not JSON.
        """
        name = raw.get("name")
        if not isinstance(name, str) or not name.strip() or len(name) > MAX_TOOL_NAME:
            raise InvalidTool(f"Server {server!r} lists a tool without a usable name; it was left out.")
        _require_object_schema(server, name, raw.get("inputSchema"))
        text = tool_text(server_title, raw)
        try:
            hashed = contract_hash(raw)
        except (ValueError, TypeError) as error:
            raise InvalidTool(f"Tool {name!r} of server {server!r} is not valid JSON ({error}).") from error
        return cls(ToolId(server, name), raw, text, hashed, sha256_hex(stable_text(text)))

    @property
    def name(self) -> str:
        return self.id.name

    @property
    def input_schema(self) -> Mapping[str, Any]:
        return cast("Mapping[str, Any]", self.raw["inputSchema"])

    @property
    def says_repeatable(self) -> bool:
        """Whether the server says that calling it twice is like calling it once: to be believed of a trusted one."""
        hints = self.raw.get("annotations")
        return isinstance(hints, Mapping) and (hints.get("readOnlyHint") is True or hints.get("idempotentHint") is True)


class ToolState(StrEnum):
    """Where a catalogued tool stands."""

    ACTIVE = "active"  # listed by its server at the last full listing, found and callable
    REMOVED = "removed"  # gone from a full listing: kept as a tombstone, neither found nor callable


@dataclass(frozen=True, slots=True)
class CatalogueTool:
    """A tool in the record of truth. `tool_id` is the name agents see (domain.names)."""

    tenant: str
    tool_id: str
    document: ToolDocument
    state: ToolState
    generation: int  # the server's catalogue generation that brought this version
    overlay: Overlay = NONE  # what operators laid over it; a listing neither knows nor changes it
    successor: str | None = None  # of a removed one: the id of the tool that it was probably renamed to

    @property
    def server(self) -> str:
        return self.document.id.server


def _require_object_schema(server: str, name: str, schema: object) -> None:
    if not isinstance(schema, Mapping) or cast("Mapping[str, Any]", schema).get("type", "object") != "object":
        raise InvalidTool(f"Tool {name!r} of server {server!r} has an inputSchema that is no object schema.")

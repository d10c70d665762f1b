"""Rows of the table `tools` as domain values, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from domain.text import ToolText
from domain.tools import CatalogueTool, ToolDocument, ToolId, ToolState
from store.json_text import decode, encode
from store.tables import TOOLS

INDEXABLE = (
    TOOLS.c.tenant,
    TOOLS.c.tool_id,
    TOOLS.c.server,
    TOOLS.c.indexed,
    TOOLS.c.semantic_hash,
    TOOLS.c.generation,
)


@dataclass(frozen=True, slots=True)
class ActiveKey:
    """An active tool and the hash of its indexed text: what a reconcile compares."""

    tenant: str
    tool_id: str
    semantic_hash: str


@dataclass(frozen=True, slots=True)
class IndexableTool:
    """What an index needs of one active tool, without its JSON."""

    tenant: str
    tool_id: str
    server: str
    text: ToolText
    semantic_hash: str
    generation: int


@dataclass(frozen=True, slots=True)
class ToolCounts:
    """How many tools of one server stand where."""

    active: int = 0
    removed: int = 0


def tool_row(tool: CatalogueTool, generation: int) -> dict[str, Any]:
    """The row of an active tool. The upstream object is written as it came, key order included."""
    document = tool.document
    text = document.text
    return {
        "tenant": tool.tenant,
        "tool_id": tool.tool_id,
        "server": document.id.server,
        "state": ToolState.ACTIVE.value,
        "generation": generation,
        "contract_hash": document.contract_hash,
        "semantic_hash": document.semantic_hash,
        "raw": encode(document.raw),
        "indexed": encode([text.server, text.name, text.description, text.parameters]),
    }


def catalogue_tool(row: Row[*tuple[Any, ...]]) -> CatalogueTool:
    raw = decode(row.raw)
    document = ToolDocument(
        id=ToolId(row.server, raw["name"]),
        raw=raw,
        text=ToolText(*decode(row.indexed)),
        contract_hash=row.contract_hash,
        semantic_hash=row.semantic_hash,
    )
    return CatalogueTool(row.tenant, row.tool_id, document, ToolState(row.state), row.generation)


def indexable_tool(row: Row[*tuple[Any, ...]]) -> IndexableTool:
    text = ToolText(*decode(row.indexed))
    return IndexableTool(row.tenant, row.tool_id, row.server, text, row.semantic_hash, row.generation)

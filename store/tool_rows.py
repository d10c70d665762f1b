"""Rows of the table `tools` as domain values, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Select, and_, select

from domain.lookalikes import skeleton
from domain.overlays import NONE, Overlay
from domain.text import ToolText
from domain.tools import CatalogueTool, ToolDocument, ToolId, ToolState
from store.json_text import decode, encode
from store.tables import TOOL_OVERLAYS, TOOLS

_OVERLAY = (TOOL_OVERLAYS.c.alias, TOOL_OVERLAYS.c.override)
_INDEXABLE = (
    TOOLS.c.tenant,
    TOOLS.c.tool_id,
    TOOLS.c.server,
    TOOLS.c.indexed,
    TOOLS.c.semantic_hash,
    TOOLS.c.generation,
)
_LAID_OVER = TOOLS.outerjoin(
    TOOL_OVERLAYS, and_(TOOL_OVERLAYS.c.tenant == TOOLS.c.tenant, TOOL_OVERLAYS.c.tool_id == TOOLS.c.tool_id)
)


def select_tools() -> Select[Any]:
    """Whole tools, for `catalogue_tool`."""
    return select(*TOOLS.c, *_OVERLAY).select_from(_LAID_OVER)


def select_indexable() -> Select[Any]:
    """What an index needs of tools, for `indexable_tool`."""
    return select(*_INDEXABLE, *_OVERLAY).select_from(_LAID_OVER)


@dataclass(frozen=True, slots=True)
class ActiveKey:
    """An active tool and the hash of its indexed text: what a reconcile compares."""

    tenant: str
    tool_id: str
    semantic_hash: str


@dataclass(frozen=True, slots=True)
class IndexableTool:
    """What an index needs of one active tool, without its JSON: texts and hash of the tool as it is served."""

    tenant: str
    tool_id: str
    server: str
    text: ToolText
    semantic_hash: str
    generation: int
    names: tuple[str, ...] = ()  # others than the served one, under which it is found all the same


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
        "skeleton": skeleton(document.name),
        "successor": None,
    }


def catalogue_tool(row: Row[*tuple[Any, ...]]) -> CatalogueTool:
    state = ToolState(row.state)
    return CatalogueTool(
        row.tenant, row.tool_id, tool_document(row), state, row.generation, _overlay(row), row.successor
    )


def tool_document(row: Row[*tuple[Any, ...]]) -> ToolDocument:
    """What a server listed, from a row that holds the columns `tool_row` made of it."""
    raw = decode(row.raw)
    return ToolDocument(
        id=ToolId(row.server, raw["name"]),
        raw=raw,
        text=ToolText(*decode(row.indexed)),
        contract_hash=row.contract_hash,
        semantic_hash=row.semantic_hash,
    )


def indexable_tool(row: Row[*tuple[Any, ...]]) -> IndexableTool:
    original, overlay = ToolText(*decode(row.indexed)), _overlay(row)
    return IndexableTool(
        tenant=row.tenant,
        tool_id=row.tool_id,
        server=row.server,
        text=overlay.text(original),
        semantic_hash=overlay.semantic_hash(original, row.semantic_hash),
        generation=row.generation,
        names=() if overlay.alias is None else (original.name,),
    )


def _overlay(row: Row[*tuple[Any, ...]]) -> Overlay:
    return NONE if row.alias is None and row.override is None else Overlay(row.alias, row.override)

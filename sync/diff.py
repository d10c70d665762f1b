"""What one full listing changes. Pure: the same two sets give the same diff, in whatever order they come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from domain.catalogue import CatalogueDiff
from domain.names import tool_id_for
from domain.review import renames
from domain.tools import CatalogueTool, ToolDocument, ToolState


def diff(
    known: Sequence[CatalogueTool],
    listed: Sequence[ToolDocument],
    tenant: str,
    slug: str,
    generation: int,
    reserved: Mapping[str, str] | None = None,
) -> CatalogueDiff:
    """Compare a server's catalogue, tombstones included, with a complete listing of the server `slug`.

    A tool is changed when either hash differs, reindexed when the semantic one does. Tool ids are stable: a tombstone
    that reappears is `added` under its old id, and new names get theirs in name order. Of a name listed twice the
    first counts. `generation` is the one these changes will bring; `reserved` are ids that names have already, of tools
    that are no part of the catalogue yet.
    """
    reserved = reserved or {}
    by_name = {tool.document.name: tool for tool in known}
    taken = {*(tool.tool_id for tool in known), *reserved.values()}
    offered: dict[str, ToolDocument] = {}
    for document in listed:
        offered.setdefault(document.name, document)
    added: list[CatalogueTool] = []
    changed: list[CatalogueTool] = []
    reindexed: set[str] = set()
    for name, document in sorted(offered.items()):
        held = by_name.get(name)
        tool_id = _id_of(held, name, reserved) or tool_id_for(slug, name, taken)
        taken.add(tool_id)
        tool = CatalogueTool(tenant, tool_id, document, ToolState.ACTIVE, generation)
        if held is None or held.state is ToolState.REMOVED:
            added.append(tool)
        elif _differs(held.document, document):
            changed.append(tool)
            if held.document.semantic_hash != document.semantic_hash:
                reindexed.add(tool_id)
    removed = sorted(tool.tool_id for name, tool in by_name.items() if _is_active(tool) and name not in offered)
    unchanged = len(offered) - len(added) - len(changed)
    return CatalogueDiff(
        tuple(added),
        tuple(changed),
        tuple(removed),
        frozenset(reindexed),
        unchanged,
        renamed=_renamed(known, removed, added) if removed and added else {},
    )


def _renamed(known: Sequence[CatalogueTool], removed: Sequence[str], added: Sequence[CatalogueTool]) -> dict[str, str]:
    gone = {tool.tool_id: tool.document.raw for tool in known if tool.tool_id in set(removed)}
    return renames(gone, {tool.tool_id: tool.document.raw for tool in added})


def _id_of(held: CatalogueTool | None, name: str, reserved: Mapping[str, str]) -> str | None:
    return reserved.get(name) if held is None else held.tool_id


def _differs(held: ToolDocument, offered: ToolDocument) -> bool:
    return (held.contract_hash, held.semantic_hash) != (offered.contract_hash, offered.semantic_hash)


def _is_active(tool: CatalogueTool) -> bool:
    return tool.state is ToolState.ACTIVE

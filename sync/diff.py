"""What one full listing changes. Pure: the same two sets give the same diff, in whatever order they come."""

from __future__ import annotations

from collections.abc import Sequence

from domain.catalogue import CatalogueDiff
from domain.names import tool_id_for
from domain.tools import CatalogueTool, ToolDocument, ToolState


def diff(
    known: Sequence[CatalogueTool], listed: Sequence[ToolDocument], tenant: str, slug: str, generation: int
) -> CatalogueDiff:
    """Compare a server's catalogue, tombstones included, with a complete listing of the server `slug`.

    A tool is changed when either hash differs, reindexed when the semantic one does. Tool ids are stable: a tombstone
    that reappears is `added` under its old id, and new names get theirs in name order. Of a name listed twice the
    first counts. `generation` is the one these changes will bring.
    """
    by_name = {tool.document.name: tool for tool in known}
    taken = {tool.tool_id for tool in known}
    offered: dict[str, ToolDocument] = {}
    for document in listed:
        offered.setdefault(document.name, document)
    added: list[CatalogueTool] = []
    changed: list[CatalogueTool] = []
    reindexed: set[str] = set()
    for name, document in sorted(offered.items()):
        held = by_name.get(name)
        tool_id = tool_id_for(slug, name, taken) if held is None else held.tool_id
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
    return CatalogueDiff(tuple(added), tuple(changed), tuple(removed), frozenset(reindexed), unchanged)


def _differs(held: ToolDocument, offered: ToolDocument) -> bool:
    return (held.contract_hash, held.semantic_hash) != (offered.contract_hash, offered.semantic_hash)


def _is_active(tool: CatalogueTool) -> bool:
    return tool.state is ToolState.ACTIVE

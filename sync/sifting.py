"""Parts the changes of a listing into those that are served at once and those that wait for a person. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace

from domain.catalogue import CatalogueDiff
from domain.field_changes import ABSENT, field_changes
from domain.review import HeldChange, HeldKind, HeldStatus, why_hold
from domain.scan import scan
from domain.servers import ReviewPolicy
from domain.tools import CatalogueTool, ToolDocument


@dataclass(frozen=True, slots=True)
class Sieve:
    """What decides about a server's changes."""

    policy: ReviewPolicy
    held: Mapping[str, HeldChange] = field(default_factory=dict)  # by tool id: what is held already
    pinned: AbstractSet[str] = frozenset()
    twins: Mapping[str, Sequence[str]] = field(default_factory=dict)  # tool name -> names it can be taken for


def sift(changes: CatalogueDiff, known: Sequence[CatalogueTool], sieve: Sieve, at: float) -> CatalogueDiff:
    """The same diff, with what has to wait taken out of `added` and `changed` and put into `held`.

    What is held already, and listed again, is not written again; what is no longer listed is `released`. A version
    that was served before and comes back is served. Removals never wait: what is gone cannot be called.
    """
    approved = {tool.tool_id: tool.document for tool in known}
    renamed = {new: old for old, new in changes.renamed.items()}
    kept: dict[str, HeldChange] = {}
    for kind, tools in ((HeldKind.ADDED, changes.added), (HeldKind.CHANGED, changes.changed)):
        for tool in tools:
            held = _held(tool, kind, approved.get(tool.tool_id), sieve, at)
            if held is not None:
                kept[tool.tool_id] = replace(held, renamed_from=renamed.get(tool.tool_id, held.renamed_from))
    fresh = tuple(change for tool_id, change in kept.items() if not _is_same(sieve.held.get(tool_id), change))
    return replace(
        changes,
        added=tuple(tool for tool in changes.added if tool.tool_id not in kept),
        changed=tuple(tool for tool in changes.changed if tool.tool_id not in kept),
        reindexed=changes.reindexed - kept.keys(),
        held=fresh,
        released=tuple(sorted(sieve.held.keys() - kept.keys())),
        renamed={old: new for old, new in changes.renamed.items() if new not in kept},  # held: its id is told to nobody
        waiting=len(kept),
    )


def _held(
    tool: CatalogueTool, kind: HeldKind, approved: ToolDocument | None, sieve: Sieve, at: float
) -> HeldChange | None:
    """None for a version that is served at once."""
    document = tool.document
    if approved is not None and approved.contract_hash == document.contract_hash:
        return None
    known = sieve.held.get(tool.tool_id)
    is_known = known is not None and known.tool.document.contract_hash == document.contract_hash
    if known is not None and is_known and known.status is HeldStatus.REJECTED:
        return known
    before = None if approved is None else approved.raw
    changes = field_changes(ABSENT if before is None else before, document.raw)
    warnings = scan(changes, document.name, sieve.twins.get(document.name, ()))
    pinned = tool.tool_id in sieve.pinned
    reason = why_hold(sieve.policy, before, document.raw, pinned=pinned, warned=bool(warnings))
    if reason is None:
        return None
    return known if is_known else HeldChange(tool, kind, reason, at, warnings)


def _is_same(before: HeldChange | None, after: HeldChange) -> bool:
    """Whether the same version is held already: when it was seen first, and why, stays as it was."""
    return before is not None and before.id == after.id

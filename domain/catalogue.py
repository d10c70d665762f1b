"""Changes of a server's catalogue, and the numbered log by which every index follows them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from domain.review import HeldChange
from domain.tools import CatalogueTool


@dataclass(frozen=True, slots=True)
class CatalogueDiff:
    """What one full listing changes: `known x listed`, made by `sync.diff`, applied by the store at once.

    `removed` and `reindexed` are tool ids; `reindexed` names the part of `changed` whose indexed text differs. `held`
    are versions to be kept from being served, `released` ids of tools of which none is kept any more.
    """

    added: tuple[CatalogueTool, ...] = ()
    changed: tuple[CatalogueTool, ...] = ()
    removed: tuple[str, ...] = ()
    reindexed: frozenset[str] = frozenset()
    unchanged: int = 0
    held: tuple[HeldChange, ...] = ()
    released: tuple[str, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)  # removed tool id -> its likely successor
    approved_by: str | None = None  # a subject, or `policy:NAME`: for the history
    waiting: int = 0  # versions that this listing has and nobody approved, those held before among them

    @property
    def is_empty(self) -> bool:
        return not (self.added or self.changed or self.removed or self.held or self.released)


class ChangeKind(StrEnum):
    """What an index has to do."""

    UPSERT = "upsert"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class IndexChange:
    """One row of the change log. An index applies rows in order of `seq` and keeps its own cursor."""

    seq: int
    tenant: str
    tool_id: str
    kind: ChangeKind


@dataclass(frozen=True, slots=True)
class SyncRun:
    """History of one sync of one server. Times are epoch seconds; `error` is None when it succeeded."""

    tenant: str
    server: str
    trigger: str  # command, registration, start, poll, list_changed
    started_at: float
    finished_at: float
    generation: int
    added: int = 0
    changed: int = 0
    removed: int = 0
    unchanged: int = 0
    skipped: int = 0  # entries that were no tools
    embedded: int = 0
    error: str | None = None
    warnings: tuple[str, ...] = ()
    ttl_s: float | None = None  # for how long the server wants its list to be trusted; for the next poll, not kept
    held: int = 0  # versions that wait for a review, or were rejected: the approved ones are served
    list_s: float = 0.0  # how long the server took to list its tools
    store_s: float = 0.0  # comparing and committing
    index_s: float = 0.0  # until the index had followed

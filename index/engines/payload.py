"""What every engine stores beside the vectors, and how it becomes a hit again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from operator import attrgetter
from typing import Any

from index.ports import Hit, Point

SPARSE = "sparse"
"""Name of the sparse vector; the dense ones are named by `EngineManifest.fields`."""

PAYLOAD = ["tool_id", "server"]
"""All that a search needs back; the rest of a tool is read from the store."""


def stored(point: Point) -> dict[str, Any]:
    """The payload of a point. `names` may match by prefix; the other keys are matched whole."""
    document = point.document
    return {
        "tenant": document.tenant,
        "tool_id": document.tool_id,
        "server": document.server,
        "hash": document.semantic_hash,
        "generation": document.generation,
        "names": list(point.names),
    }


def hit(payload: Mapping[str, Any] | None, score: float) -> Hit:
    found = payload or {}
    return Hit(str(found["tool_id"]), str(found["server"]), score)


def best_first(hits: Iterable[Hit]) -> list[Hit]:
    """By falling score; ties by tool_id."""
    return sorted(sorted(hits, key=attrgetter("tool_id")), key=attrgetter("score"), reverse=True)

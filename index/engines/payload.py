"""What every engine stores beside the vectors, and how it becomes a hit again."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from itertools import pairwise
from operator import attrgetter
from typing import Any, TypeVar

import numpy as np

from index.ports import Hit, Matrix, Point, Terms

SPARSE = "sparse"
"""Name of the sparse vector; the dense ones are named by `EngineManifest.fields`."""

Id = TypeVar("Id", bound=Hashable)
"""What an engine knows a point by."""

_TOOL, _SCORE = attrgetter("tool_id"), attrgetter("score")

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
    """By falling score; ties by tool_id. Engines give them by falling score already, mostly without ties."""
    falling = sorted(hits, key=_SCORE, reverse=True)
    if all(one.score > other.score for one, other in pairwise(falling)):
        return falling
    return sorted(sorted(falling, key=_TOOL), key=_SCORE, reverse=True)


def rows_of(vectors: Mapping[str, Matrix], terms: Terms | None) -> dict[str, int]:
    """Field -> how many rows a rescoring has for it, in the order in which they are asked."""
    lexical = {} if terms is None else {SPARSE: len(terms.queries)}
    return {name: len(rows) for name, rows in vectors.items()} | lexical


def score_tables(
    ids: Sequence[Id], rows: Mapping[str, int], answers: Iterable[tuple[Sequence[Id], Sequence[float]]]
) -> dict[str, Matrix]:
    """Field -> (rows, points). `answers`: ids and their scores, one answer per row of every field, in their order."""
    column = {one: number for number, one in enumerate(ids)}
    tables = {name: np.zeros((count, len(ids)), np.float32) for name, count in rows.items()}
    for row, (found, scores) in zip((row for table in tables.values() for row in table), answers, strict=False):
        row[[column[one] for one in found]] = scores
    return tables

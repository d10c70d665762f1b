"""Looks whether what is written to an index can be found in it: before it replaces anything, and once it is stored.

Others stored every embedding as NULL, or as zeros, and their logs said "Saved" (users-and-peers 1.3). What fails here
is not acknowledged: points that were not replaced yet go on answering, and whoever asked hears why.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from domain.errors import IndexSelfTestFailed
from index.embedders.vectors import SAME
from index.fields import CONCAT
from index.ports import DenseLeg, Engine, Filter, IndexDocument, Point

SAMPLE = 4
"""Canaries of a batch."""

_LIMIT = 50


def check_before(points: Sequence[Point]) -> None:
    """`points`: to be written in place of what their documents had. Number, dimension and length of their vectors were
    looked at on the way (index/embedders, index/documents.py).

    Raises IndexSelfTestFailed when a model says the same of different texts.
    """
    canaries = [points[at] for at in _canaries(len(points))]
    first = canaries[0]
    different = [one for one in canaries if one.document.text.concat != first.document.text.concat]
    if different and all(float(one.dense[CONCAT] @ first.dense[CONCAT]) > SAME for one in different):
        documents = [point.document for point in points]
        raise _failed(documents, "the embedding model gives different texts the same vector")


async def check_after(engine: Engine, points: Sequence[Point]) -> None:
    """The canaries of a batch that was stored: each point is there and has its vector, and they find themselves.

    Raises IndexSelfTestFailed, and what the engine raises.
    """
    for server in {(point.document.tenant, point.document.server) for point in points}:
        of_server = [point for point in points if (point.document.tenant, point.document.server) == server]
        chosen = [of_server[at] for at in _canaries(len(of_server))]
        canaries = [point.document for point in chosen]
        asked = np.stack([point.dense[CONCAT] for point in chosen])
        ids = [point.id for point in chosen]
        own = np.diagonal((await engine.rescore(ids, {CONCAT: asked}))[CONCAT])
        if not bool(np.all(own > SAME)):  # also for NaN
            missing = canaries[int(np.argmin(np.nan_to_num(own, nan=-1.0)))].tool_id
            raise _failed(canaries, f"the point of {missing!r} does not hold the vector that was written")
        legs = [DenseLeg(CONCAT, vector, _LIMIT) for vector in asked]
        found = await engine.search(legs, Filter(server[0], (server[1],)))
        # One that is found is enough: a graph is approximate, and many tools may say the same.
        if not any(
            hit.tool_id == document.tool_id or hit.score > SAME
            for document, hits in zip(canaries, found, strict=True)
            for hit in hits
        ):
            raise _failed(canaries, "none of its canaries finds itself")


def _canaries(count: int) -> list[int]:
    """Evenly spread positions, the first and the last among them."""
    return sorted({round(at) for at in np.linspace(0, count - 1, min(count, SAMPLE))})


def _failed(documents: Sequence[IndexDocument], why: str) -> IndexSelfTestFailed:
    servers = frozenset((document.tenant, document.server) for document in documents)
    names = ", ".join(sorted(slug for _, slug in servers)[:3])
    return IndexSelfTestFailed(
        f"The self-test of the index failed for server {names}: {why}; what was found of it before still is. Check the "
        "embedding model and the index, then sync again.",
        servers=servers,
    )

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
"""Canaries of a batch, and of each of its servers."""

TOGETHER = 16
"""Canaries looked at in one step: each is compared with all of them, so that a larger step costs more than it saves."""

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
    """The canaries of every server of a batch that was stored: each point is there and has its vector, and they find
    themselves. Many servers of one tool are looked at together: each by itself, they cost more than being written.

    Raises IndexSelfTestFailed, and what the engine raises.
    """
    of_servers: dict[tuple[str, str], list[Point]] = {}
    for point in points:
        of_servers.setdefault((point.document.tenant, point.document.server), []).append(point)
    chosen: dict[str, list[Point]] = {}  # by tenant
    for (tenant, _), theirs in of_servers.items():
        chosen.setdefault(tenant, []).extend(theirs[one] for one in _canaries(len(theirs)))
    finding: set[tuple[str, str]] = set()
    for tenant, canaries in chosen.items():
        for start in range(0, len(canaries), TOGETHER):
            found = await _finding(engine, tenant, canaries[start : start + TOGETHER])
            finding.update((tenant, server) for server in found)
    # One that is found is enough: a graph is approximate, and many tools may say the same.
    if lost := [theirs[0].document for server, theirs in of_servers.items() if server not in finding]:
        raise _failed(lost, "none of its canaries finds itself")


async def _finding(engine: Engine, tenant: str, canaries: Sequence[Point]) -> set[str]:
    """The servers of which a canary finds itself."""
    asked = np.stack([point.dense[CONCAT] for point in canaries])
    own = np.diagonal((await engine.rescore([point.id for point in canaries], {CONCAT: asked}))[CONCAT])
    if not bool(np.all(own > SAME)):  # also for NaN
        missing = canaries[int(np.argmin(np.nan_to_num(own, nan=-1.0)))].document
        raise _failed([missing], f"the point of {missing.tool_id!r} does not hold the vector that was written")
    servers = tuple(dict.fromkeys(point.document.server for point in canaries))
    found = await engine.search([DenseLeg(CONCAT, vector, _LIMIT) for vector in asked], Filter(tenant, servers))
    return {
        point.document.server
        for point, hits in zip(canaries, found, strict=True)
        for hit in hits
        if hit.tool_id == point.document.tool_id or hit.score > SAME
    }


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

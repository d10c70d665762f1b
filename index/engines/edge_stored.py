"""What an embedded index holds, by the numbers that the engine knows its points by.

A search gets numbers and scores from the engine and the rest from here: reading a payload takes longer than finding it.
An entry never changes (tool and server are part of a point's id), so one that was deleted does no harm.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import qdrant_edge as edge

from index.engines.edge_requests import ID, OURS, number
from index.engines.payload import best_first
from index.ports import Hit, Point


class Stored:
    """Some 250 bytes a point."""

    def __init__(self, payloads: Iterable[Mapping[str, Any]] = ()) -> None:
        """`payloads`: with the keys `edge_requests.KEPT`, of everything that is stored already."""
        self._tools: dict[object, tuple[str, str]] = {}  # the engine types its ids as one of three
        self._tenants: set[str] = set()
        for payload in payloads:
            self._add(payload[ID], payload["tenant"], payload["tool_id"], payload["server"])

    def __len__(self) -> int:
        return len(self._tools)

    def add(self, points: Sequence[Point]) -> None:
        for point in points:
            self._add(point.id, point.document.tenant, point.document.tool_id, point.document.server)

    def is_of(self, tenant: str) -> bool:
        """Whether all that was stored is this tenant's; what is of our making has no terms, and moves no statistics."""
        return self._tenants <= {tenant}

    def hits(self, scored: Iterable[edge.ScoredPoint]) -> list[Hit]:
        tools = self._tools
        return best_first(Hit(*tools[one.id], one.score) for one in scored)

    def _add(self, point_id: str, tenant: str, tool_id: str, server: str) -> None:
        self._tools[number(point_id)] = (tool_id, sys.intern(server))
        self._tenants.add(tenant.partition(OURS)[0])

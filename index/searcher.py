"""What searches: the index itself, or a stage around it that asks it and changes the order of what it found."""

from __future__ import annotations

from typing import Protocol

from domain.candidates import Ranking
from index.ports import SearchRequest


class Searcher(Protocol):
    """Queries in, rankings out. A stage that fails leaves plain retrieval's answer and is named in `degraded`."""

    async def search(self, request: SearchRequest) -> list[Ranking]:
        """One ranking per query, in their order. Raises InvalidInput, IndexUnavailable."""
        ...

"""The fake reranker: words that query and document share. Deterministic, instant, sensible; for tests."""

from __future__ import annotations

from collections.abc import Sequence


class SharedWordsReranker:
    """Higher where more of the query's words stand in the document."""

    @property
    def version(self) -> str:
        return "shared-words"

    async def scores(self, query: str, documents: Sequence[str]) -> list[float]:
        wanted = set(query.lower().split())
        return [float(len(wanted & set(document.lower().split()))) for document in documents]

    async def aclose(self) -> None:
        """Nothing to give back."""

"""What the index asks of models that live elsewhere. `policy_client/http` fits these ports; `gateway/` joins the two.

The fake reranker is `index/rerankers/fake.py`; it passes the contract tests of the real ones.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol


class VectorSource(Protocol):
    """Vectors as a model gives them. Raises ModelUnavailable."""

    async def vectors(self, texts: Sequence[str]) -> list[list[float]]:
        """One per text, in their order, of one length for all."""
        ...

    async def aclose(self) -> None: ...


class Reranker(Protocol):
    """Reads query and document together. Raises ModelUnavailable."""

    @property
    def version(self) -> str: ...

    async def scores(self, query: str, documents: Sequence[str]) -> Sequence[float]:
        """One per document, in their order; higher is better, the scale is the model's own."""
        ...

    async def aclose(self) -> None: ...


class ChatModel(Protocol):
    """A language model that answers in a shape. Raises ModelUnavailable."""

    @property
    def model(self) -> str: ...

    async def answer(self, instructions: str, prompt: str, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """A JSON object. The model was shown the schema; whoever asks checks the object."""
        ...


ToolTexts = Callable[[str, Sequence[str]], Awaitable[Mapping[str, str]]]
"""What a reranker reads of a tenant's tools, by tool id; unknown ones are absent. Raises StoreUnavailable."""

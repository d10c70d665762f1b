"""Rerankers behind a URL: how well each document answers the query.

Two request forms are spoken in the wild: `documents` (Cohere, Jina, vLLM, Infinity: answers `{"results": [{"index",
"relevance_score"}]}`) and `texts` (Text Embeddings Inference: answers `[{"index", "score"}]`). Which one an address
speaks is found out by the first request that is refused, and remembered.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from enum import StrEnum
from http import HTTPStatus
from typing import Any

from policy_client.http.failures import ModelNonsense, ModelRefused
from policy_client.http.json_client import JsonClient

_OTHER_FORM = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY})

BATCH = 32
"""Documents per request: what Text Embeddings Inference takes unless told otherwise."""


class RerankForm(StrEnum):
    """The name under which documents are sent."""

    DOCUMENTS = "documents"
    TEXTS = "texts"


class RerankClient:
    """Raises the failures of `JsonClient`. Scores of different models lie on different scales."""

    def __init__(self, client: JsonClient, form: RerankForm | None = None) -> None:
        self._client = client
        self._url = client.endpoint.at("/rerank")
        self._form = form or RerankForm.DOCUMENTS
        self._sure = form is not None

    @property
    def version(self) -> str:
        return f"rerank:{self._client.endpoint.model or self._client.endpoint.shown}"

    async def scores(self, query: str, documents: Sequence[str], *, deadline_s: float | None = None) -> list[float]:
        """One score per document, in their order, higher is better."""
        scores: list[float] = []
        for start in range(0, len(documents), BATCH):
            scores += await self._batch(query, documents[start : start + BATCH], deadline_s)
        return scores

    async def aclose(self) -> None:
        await self._client.aclose()

    async def _batch(self, query: str, documents: Sequence[str], deadline_s: float | None) -> list[float]:
        form = self._form
        try:
            answer = await self._client.post(self._url, self._body(form, query, documents), deadline_s=deadline_s)
        except ModelRefused as refused:
            if self._sure or refused.status not in _OTHER_FORM:
                raise
            form = RerankForm.TEXTS if form is RerankForm.DOCUMENTS else RerankForm.DOCUMENTS
            answer = await self._client.post(self._url, self._body(form, query, documents), deadline_s=deadline_s)
        scores = self._scores(answer, len(documents))
        self._form, self._sure = form, True
        return scores

    def _body(self, form: RerankForm, query: str, documents: Sequence[str]) -> dict[str, Any]:
        body: dict[str, Any] = {"query": query, form.value: list(documents)}
        if form is RerankForm.TEXTS:
            return body | {"raw_scores": False, "truncate": True}
        if self._client.endpoint.model:
            body["model"] = self._client.endpoint.model
        return body | {"top_n": len(documents)}

    def _scores(self, answer: object, wanted: int) -> list[float]:
        """By index. An answer that leaves a document out, or scores it with something else than a number, is none."""
        results = answer.get("results", answer.get("data")) if isinstance(answer, Mapping) else answer
        found: dict[int, float] = {}
        for result in results if isinstance(results, list) else ():
            index, score = _scored(result)
            if index is not None and score is not None:
                found[index] = score
        if sorted(found) != list(range(wanted)):
            raise ModelNonsense(
                f"The reranker at {self._client.endpoint.shown} scored {len(found)} of {wanted} documents; check that "
                "it is one."
            )
        return [found[index] for index in range(wanted)]


def _scored(result: object) -> tuple[int | None, float | None]:
    if not isinstance(result, Mapping):
        return None, None
    index, score = result.get("index"), result.get("relevance_score", result.get("score"))
    if isinstance(index, bool) or not isinstance(index, int):
        return None, None
    if isinstance(score, bool) or not isinstance(score, int | float) or not math.isfinite(score):
        return index, None
    return index, float(score)

"""Embedding models behind a URL: OpenAI-compatible (`/v1/embeddings`), or Text Embeddings Inference (`/embed`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from http import HTTPStatus
from typing import Any

from policy_client.http.failures import ModelNonsense, ModelRefused
from policy_client.http.gathering import Gathering, Vectors
from policy_client.http.json_client import JsonClient

BATCH = 32
"""Texts per request: what Text Embeddings Inference takes unless told otherwise."""

SHORTEST = 512
"""Characters that every model takes: a text that is refused at this length is refused for another reason."""

_TOO_MUCH = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY})


class EmbeddingForm(StrEnum):
    """What the address speaks."""

    OPENAI = "openai"
    TEI = "tei"


class EmbeddingsClient:
    """Raises the failures of `JsonClient`. Texts that are asked for at the same time share a request."""

    def __init__(self, client: JsonClient, form: EmbeddingForm) -> None:
        self._client = client
        self._form = form
        openai = form is EmbeddingForm.OPENAI
        self._url = client.endpoint.at("/embeddings", version="/v1") if openai else client.endpoint.at("/embed")
        self._gathering = Gathering(self._ask, size=BATCH, in_flight=client.endpoint.in_flight)

    async def vectors(self, texts: Sequence[str]) -> Vectors:
        """One vector per text, in their order, as the model gives them: any length, the same for all."""
        return await self._gathering.vectors(texts)

    async def aclose(self) -> None:
        await self._gathering.aclose()
        await self._client.aclose()

    async def _ask(self, texts: list[str]) -> Vectors:
        """A batch that is refused is asked text by text, and a text that is refused is halved: models differ in how
        much they take, and not all of them cut by themselves. So a long text has the same vector in any company.
        """
        try:
            return await self._post(texts)
        except ModelRefused as refused:
            if refused.status not in _TOO_MUCH:
                raise
            if len(texts) > 1:
                return [(await self._ask([text]))[0] for text in texts]
            [text] = texts
            if len(text) <= SHORTEST:
                raise
            return await self._ask([text[: len(text) // 2]])

    async def _post(self, texts: list[str]) -> Vectors:
        if self._form is EmbeddingForm.TEI:
            body: dict[str, Any] = {"inputs": texts, "normalize": True, "truncate": True}
            return self._checked(await self._client.post(self._url, body), len(texts))
        body = {"model": self._client.endpoint.model, "input": texts, "encoding_format": "float"}
        return self._checked(_in_order(await self._client.post(self._url, body)), len(texts))

    def _checked(self, rows: object, wanted: int) -> Vectors:
        if not isinstance(rows, list) or len(rows) != wanted or not all(_is_vector(row, rows[0]) for row in rows):
            raise ModelNonsense(
                f"The model at {self._client.endpoint.shown} did not answer with {wanted} vectors of one length; check "
                "that it is an embedding model."
            )
        return rows


def _in_order(answer: object) -> object:
    """The embeddings by their index."""
    rows: Any = answer.get("data") if isinstance(answer, Mapping) else None
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) and _is_index(row.get("index")) for row in rows):
        return None
    return [row.get("embedding") for row in sorted(rows, key=lambda row: row["index"])]


def _is_index(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_vector(row: object, first: object) -> bool:
    return (
        isinstance(row, list)
        and isinstance(first, list)
        and 0 < len(row) == len(first)
        and all(isinstance(value, float | int) and not isinstance(value, bool) for value in row)
    )

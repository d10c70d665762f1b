"""OpenAI-compatible chat, for answers that have a shape: the JSON schema goes along, the answer is checked against it.

Servers differ in what they take: `json_schema`, only `json_object`, or neither. A form that is refused is not asked
again. Whatever comes back (a fence around it, thoughts before it) is read for the one JSON object it should hold.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from policy_client.http.failures import ModelNonsense, ModelRefused
from policy_client.http.json_client import JsonClient

Shape = TypeVar("Shape", bound=BaseModel)

_FORMS = ("json_schema", "json_object", "none")
_OTHER_FORM = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY})
_THOUGHTS = re.compile(r"<think>.*?</think>", re.DOTALL)
_MAX_TOKENS = 1024


class ChatClient:
    """Raises the failures of `JsonClient`; ModelNonsense for an answer of another shape."""

    def __init__(self, client: JsonClient) -> None:
        self._client = client
        self._url = client.endpoint.at("/chat/completions", version="/v1")
        self._form = 0  # position in _FORMS

    @property
    def model(self) -> str:
        return self._client.endpoint.model

    async def answer(
        self,
        instructions: str,
        prompt: str,
        schema: Mapping[str, Any],
        *,
        deadline_s: float | None = None,
        max_tokens: int = _MAX_TOKENS,
    ) -> Mapping[str, Any]:
        """The JSON object of the answer. The schema was sent along; whether the object fits it is not checked."""
        told = f"{instructions}\nAnswer with one JSON object of this schema and nothing else:\n{json.dumps(schema)}"
        messages = [{"role": "system", "content": told}, {"role": "user", "content": prompt}]
        body = {"model": self.model, "messages": messages, "temperature": 0, "max_tokens": max_tokens}
        answer = await self._ask(body, schema, deadline_s)
        found = _object_in(_content(answer))
        if found is None:
            raise ModelNonsense(
                f"The model at {self._client.endpoint.shown} answered without the JSON object asked for."
            )
        return found

    async def shaped(
        self, instructions: str, prompt: str, shape: type[Shape], *, deadline_s: float | None = None
    ) -> Shape:
        """The answer as `shape`; its schema goes along."""
        found = await self.answer(instructions, prompt, shape.model_json_schema(), deadline_s=deadline_s)
        try:
            return shape.model_validate(found)
        except ValidationError as error:
            fields = sorted({str(problem["loc"][0]) for problem in error.errors() if problem["loc"]})
            raise ModelNonsense(
                f"The model at {self._client.endpoint.shown} answered another shape than asked for "
                f"({', '.join(fields) or 'as a whole'})."
            ) from None

    async def aclose(self) -> None:
        await self._client.aclose()

    async def _ask(self, body: dict[str, Any], schema: Mapping[str, Any], deadline_s: float | None) -> Any:
        """Ask in the best form that was not refused yet; of one that is refused, go to the next."""
        form = self._form
        while True:
            try:
                answer = await self._client.post(
                    self._url, body | _response_format(_FORMS[form], schema), deadline_s=deadline_s
                )
            except ModelRefused as refused:
                if refused.status not in _OTHER_FORM or form == len(_FORMS) - 1:
                    raise
                form += 1
            else:
                self._form = max(self._form, form)
                return answer


def _response_format(form: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    match form:
        case "json_schema":
            named = {"name": "answer", "schema": dict(schema), "strict": is_strict(schema)}
            return {"response_format": {"type": "json_schema", "json_schema": named}}
        case "json_object":
            return {"response_format": {"type": "json_object"}}
        case _:
            return {}


def is_strict(schema: object) -> bool:
    """Whether a schema is one that servers promise to keep to: every object closed, every property required. One that
    is not, and claims to be, is refused by some.
    """
    if isinstance(schema, list):
        return all(map(is_strict, schema))
    if not isinstance(schema, Mapping):
        return True
    closed = schema.get("type") != "object" or (
        schema.get("additionalProperties") is False
        and set(schema.get("required", ())) == set(schema.get("properties", ()))
    )
    return closed and all(map(is_strict, schema.values()))


def _content(answer: object) -> str:
    """The text of the first choice; empty when there is none."""
    choices: Any = answer.get("choices") if isinstance(answer, Mapping) else None
    first = choices[0] if isinstance(choices, Sequence) and choices else None
    message = first.get("message") if isinstance(first, Mapping) else None
    content = message.get("content") if isinstance(message, Mapping) else None
    return content if isinstance(content, str) else ""


def _object_in(text: str) -> Mapping[str, Any] | None:
    """The JSON object that begins at the first brace.

    >>> _object_in('<think>{no}</think>Sure! ```{"a": 1}```')
    {'a': 1}
    """
    text = _THOUGHTS.sub("", text)
    start = text.find("{")
    if start < 0:
        return None
    try:
        found, _ = json.JSONDecoder().raw_decode(text, start)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None

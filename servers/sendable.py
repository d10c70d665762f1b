"""What cannot be sent as JSON is refused here: on the wire one such message costs all others their connection."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from pydantic_core import PydanticSerializationError, to_json

from domain.errors import InvalidInput

MAX_NESTING = 190
"""Levels of objects and arrays in the params: the parser of SDK servers gives up at 200, and would never answer."""

_NAN = re.compile(rb"NaN|Infinity")
_strict = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


def require_json(value: Mapping[str, Any], what: str) -> None:
    """Refuse what cannot be sent: NaN, lone surrogates, objects, deep nesting. Raises InvalidInput about `what`."""
    text = _written(value)
    if text is None or _NAN.search(text):
        try:
            text = _strict(value).encode()
        except (ValueError, TypeError, RecursionError) as error:
            raise InvalidInput(f"{what} are not valid JSON ({error}).") from error
    if text.count(b"{") + text.count(b"[") > MAX_NESTING and _nests_deeper(value, MAX_NESTING):
        raise InvalidInput(f"{what} nest deeper than {MAX_NESTING} levels; flatten them.")


def _written(value: Mapping[str, Any]) -> bytes | None:
    """In a tenth of the time that `json` takes; None where that one has to say what is wrong."""
    try:
        return to_json(value)
    except (PydanticSerializationError, ValueError, RecursionError):
        return None


def _nests_deeper(value: object, most: int) -> bool:
    """Whether JSON holds more than `most` objects and arrays within each other."""
    level: list[Any] = [value]
    for _ in range(most + 1):
        level = [
            inner
            for outer in level
            if isinstance(outer, Mapping | list | tuple)
            for inner in (outer.values() if isinstance(outer, Mapping) else outer)
        ]
    return bool(level)

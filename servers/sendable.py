"""What cannot be sent as JSON is refused here: on the wire one such message costs all others their connection."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from domain.errors import InvalidInput

MAX_NESTING = 190
"""Levels of objects and arrays in the params: the parser of SDK servers gives up at 200, and would never answer."""

_LARGE = 2**63
_strict = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


def require_json(value: Mapping[str, Any], what: str) -> None:
    """Refuse what cannot be sent: NaN, lone surrogates, objects, deep nesting. Raises InvalidInput about `what`."""
    if _is_simple(value):
        return
    try:
        text = _strict(value)
        text.encode()
    except (ValueError, TypeError, RecursionError) as error:
        raise InvalidInput(f"{what} are not valid JSON ({error}).") from error
    if text.count("{") + text.count("[") > MAX_NESTING and _nests_deeper(value, MAX_NESTING):
        raise InvalidInput(f"{what} nest deeper than {MAX_NESTING} levels; flatten them.")


def _is_simple(value: Mapping[str, Any]) -> bool:
    """Whether it is like most calls, a few plain texts and numbers: that is seen in less time than `json` takes."""
    for name, entry in value.items():
        if type(entry) is dict:
            if not _is_plain(name) or not all(_is_plain(key) and _is_plain(part) for key, part in entry.items()):
                return False
        elif not _is_plain(name) or not _is_plain(entry):
            return False
    return True


def _is_plain(part: object) -> bool:
    if isinstance(part, str):
        return part.isascii()
    return part is None or (isinstance(part, int) and -_LARGE < part < _LARGE)


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

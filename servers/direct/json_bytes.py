"""JSON from and to bytes at the speed of the parser that pydantic brings; what that one refuses, `json` decides.

A call is parsed twice and written twice on its way through; with `json` that is a quarter of its cost.
"""

from __future__ import annotations

import json
from typing import Any

from pydantic_core import PydanticSerializationError, from_json, to_json

_compact = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


def parse(data: bytes | bytearray) -> Any:
    """The value. Raises ValueError, RecursionError."""
    try:
        return from_json(data)
    except ValueError:  # also half a surrogate, which JSON allows
        return json.loads(data)


def write(value: object) -> bytes:
    """Compact JSON in plain Unicode; half a surrogate stays one. Raises ValueError, TypeError, RecursionError."""
    try:
        return to_json(value, inf_nan_mode="constants")
    except (PydanticSerializationError, ValueError):
        return _compact(value).encode("utf-8", "surrogatepass")

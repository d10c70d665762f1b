"""JSON kept in text columns, losslessly: key order stays, and every character survives.

Escaped to ASCII, because PostgreSQL refuses NUL and both drivers refuse lone surrogates, which upstream JSON may hold.
"""

from __future__ import annotations

import json
from typing import Any

from domain.errors import InvalidInput


def encode(value: object) -> str:
    """Compact JSON. Raises InvalidInput for what JSON cannot hold (NaN, sets, too deep nesting)."""
    try:
        return json.dumps(value, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    except (ValueError, TypeError, RecursionError) as error:
        raise InvalidInput(f"A value cannot be stored as JSON ({error}).") from error


def decode(text: str) -> Any:
    return json.loads(text)

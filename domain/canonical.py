"""Canonical JSON and the hashes made from it: equal values give equal bytes, whatever their key order."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

JsonObject = Mapping[str, Any]


def canonical_json(value: object) -> str:
    """Sorted keys, no spaces, raw Unicode; NaN and infinities are refused (RFC 8785 in spirit).

    Raises ValueError for what JSON cannot hold.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def sha256_hex(text: str) -> str:
    """SHA-256 of the UTF-8 bytes; lone surrogates, legal in JSON escapes, are kept as they are."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def contract_hash(raw: JsonObject) -> str:
    """Hash over every served field of a tool: what review, audit and the call-time check look at."""
    return sha256_hex(canonical_json(raw))

"""JSON as it leaves: compact, and always encodable, whatever an upstream put into its texts."""

from __future__ import annotations

import json

_compact = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


def compact_json(value: object) -> str:
    """Compact JSON in plain Unicode. A lone surrogate, legal in JSON and in no encoding, becomes U+FFFD."""
    return _compact(value).encode("utf-8", "surrogatepass").decode("utf-8", "replace")

"""Names agents see: `slug__tool`, within the alphabet and length every model provider accepts.

Contract: interfaces.md section 4. Reversed by the catalogue, which keeps the pair for every name.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Container

MAX_SLUG = 14
MAX_TOOL_ID = 64
SEPARATOR = "__"
OWN_SLUG = "toolcrib"
"""What is called `toolcrib__...` is ours; no server gets this slug."""

_SLUG = re.compile(r"[a-z0-9-]{1,14}")
_NOT_SLUG = re.compile(r"[^a-z0-9]+")
_NOT_NAME = re.compile(r"[^A-Za-z0-9_-]")


def is_slug(text: str) -> bool:
    """Whether `text` may stand for a server: 1 to 14 of a-z, 0-9 and hyphen."""
    return _SLUG.fullmatch(text) is not None


def slug_for(title: str, taken: Container[str] = ()) -> str:
    """A free slug for a server's title. Cut or taken titles get 4 hex of their hash, so that they stay stable."""
    base = _NOT_SLUG.sub("-", title.lower()).strip("-")
    slug = base[:MAX_SLUG].strip("-") or "server"
    if slug == base and slug != OWN_SLUG and slug not in taken:
        return slug
    for salt in range(1 << 16):
        digest = hashlib.sha256(f"{title}\0{salt}".encode("utf-8", "surrogatepass")).hexdigest()[:4]
        candidate = f"{slug[: MAX_SLUG - 5].strip('-')}-{digest}"
        if candidate not in taken:
            return candidate
    raise AssertionError("65,536 hashes taken for one server title")


def tool_id_for(slug: str, name: str, taken: Container[str] = ()) -> str:
    """The agent-visible name of tool `name` of server `slug`.

    Kept as it is when it fits; else illegal characters become `_`, it is cut to 64 and ends in `_` + 8 hex of
    sha256(original). `taken` are the ids that other tools of the tenant hold already.
    """
    original = f"{slug}{SEPARATOR}{name}"
    safe = _NOT_NAME.sub("_", original)
    if safe == original and len(safe) <= MAX_TOOL_ID and safe not in taken:
        return safe
    for salt in range(1 << 16):
        salted = original if salt == 0 else f"{original}\0{salt}"
        digest = hashlib.sha256(salted.encode("utf-8", "surrogatepass")).hexdigest()[:8]
        candidate = f"{safe[: MAX_TOOL_ID - 9]}_{digest}"
        if candidate not in taken:
            return candidate
    raise AssertionError("65,536 hashes taken for one tool name")

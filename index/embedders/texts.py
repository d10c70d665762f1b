"""Texts as a tokenizer takes them."""

from __future__ import annotations

from collections.abc import Sequence


def encodable(texts: Sequence[str]) -> list[str]:
    """Lone surrogates, legal in JSON escapes and illegal in UTF-8, become question marks."""
    return [text.encode("utf-8", "replace").decode() for text in texts]

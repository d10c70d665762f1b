"""Estimated prompt tokens, without any model's tokenizer."""

from __future__ import annotations

BYTES_PER_TOKEN = 4
"""Four bytes of English or JSON make about one token with current models' tokenizers: an estimate, always named so."""


def estimate_tokens(text: str) -> int:
    """At least 1 for any text that is not empty."""
    return -(-len(text.encode("utf-8", "surrogatepass")) // BYTES_PER_TOKEN)

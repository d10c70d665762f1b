"""Identifiers inside running text: which tokens are names a programmer made, and the words they are made of."""

from __future__ import annotations

import re

from domain.text import words

_HUMP = re.compile(r"[a-z0-9][A-Z]|[A-Z][A-Z][a-z]")
_JOINED = re.compile(r"\w[_\-./:]+\w")
_EDGES = "\"'`()[]{}<>,;:.!?*\N{LEFT DOUBLE QUOTATION MARK}\N{RIGHT DOUBLE QUOTATION MARK}"


def with_parts(text: str) -> str:
    """The text followed by the words of its camelCase tokens, so that `getUserById` is also found by "user".

    Snake and kebab case need no help: the tokenizer of `index.sparse` splits at their separators.

    >>> with_parts("call getUserById")
    'call getUserById get User By Id'
    """
    parts = [words(token) for token in text.split() if _HUMP.search(token)]
    return " ".join((text, *parts))


def identifiers(text: str) -> list[str]:
    """Tokens that are spelled as identifiers, without surrounding punctuation, in order.

    >>> identifiers("use `read_file`, then github/createIssue.")
    ['read_file', 'github/createIssue']
    """
    tokens = (token.strip(_EDGES) for token in text.split())
    return [token for token in tokens if _HUMP.search(token) or _JOINED.search(token)]

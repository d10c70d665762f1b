"""What may be remembered of a query: its intent, without the values in it. Pure.

A value is replaced by a common word, so that the sentence stays one that the embedder understands; a text that holds
something like a secret is not remembered at all.
"""

from __future__ import annotations

import re
from collections import Counter
from math import log2

from domain.questions import MAX_CHARS
from domain.text import clean

MIN_WORDS = 2
"""A single word says too little of a need, and may be a name."""

_TOKEN_CHARS = 20
_TOKEN_BITS = 3.4
"""Entropy per character from which a long token counts as random; only tokens with letters and digits are asked."""

_SECRET = re.compile(
    r"-----BEGIN|\b(?:bearer|basic)\s+(?=\S*\d)[\w.~+/=-]{8,}"
    r"|\b(?:sk|pk|rk|ghp|gho|ghs|glpat|xox[abpsr]|AKIA|ASIA|AIza|hf|npm|pypi|eyJ)[-_]?(?=\S*\d)[\w-]{12,}"
    r"|\b(?:pass(?:word|wd|phrase|code)?|pwd|secret|api[ _-]?key|token|credentials?|pin|cvv|ssn)"
    r"(?:\s+(?:is|was)\b|\s*[:=])\s*\S",
    re.IGNORECASE,
)

_VALUE = re.compile(
    r"(?P<link>\b[a-z][a-z0-9+.-]*://\S+)"
    r"|(?P<email>[\w.+-]+@[\w-]+(?:\.[\w-]+)+)"
    r"|(?P<path>(?<!\w)(?:~|\.{1,2}|[a-z]:)?(?:[/\\][\w.@-]+){2,}[/\\]?)"
    r"|(?P<something>\"[^\"]{1,200}\"|\u201c[^\u201d]{1,200}\u201d|\u00ab[^\u00bb]{1,200}\u00bb|`[^`]{1,200}`"
    # Single quotes begin and end at a word's edge; an apostrophe stands inside one.
    r"|(?<!\w)['\u2018](?!\s)[^'\u2018\u2019]{1,200}(?<!\s)['\u2019](?!\w))"
    r"|(?P<id>[@#]\w+|\b(?=[\w.-]*\d)(?=[\w.-]*[a-z])\w+(?:[-.]\w+)*)"
    r"|(?P<number>[+-]?[$€£¥]?\(?\d(?:[\d\s.,:/()-]*\d)?%?)",
    re.IGNORECASE,
)
_WORD_WITH_DIGIT = re.compile(r"(?:[a-z]{1,4}\d|\d[a-z]{1,2})", re.IGNORECASE)
"""`mp3`, `ipv4`, `3d`, `2nd`: one digit says nothing of anybody."""


def learnable(query: str) -> str | None:
    """The query as it may be kept, or None when it holds a secret, or too little once its values are gone.

    >>> learnable("Send 20 euros to ann@example.org for order 4711-A")
    'Send number euros to email for order id'
    >>> learnable("my password is hunter2, log me in") is None
    True
    """
    text = clean(query).strip("\"'\u201c\u201d ")
    if _SECRET.search(text) or any(_is_random(token) for token in re.findall(r"[A-Za-z0-9+/_=-]+", text)):
        return None
    text = _tidy(_VALUE.sub(_common_word, text))
    if len(text) > MAX_CHARS:
        text = text[: text.rfind(" ", 0, MAX_CHARS)]
    kept = [word for word in text.split() if any(char.isalpha() for char in word)]
    return text if len(kept) >= MIN_WORDS else None


def _common_word(found: re.Match[str]) -> str:
    if _WORD_WITH_DIGIT.fullmatch(found[0]):
        return found[0]
    return f" {found.lastgroup} "


def _is_random(token: str) -> bool:
    """Long, and with letters and digits as unlike a word as keys are."""
    if len(token) < _TOKEN_CHARS or not (any(c.isdigit() for c in token) and any(c.isalpha() for c in token)):
        return False
    shares = [count / len(token) for count in Counter(token).values()]
    return -sum(share * log2(share) for share in shares) > _TOKEN_BITS


def _tidy(text: str) -> str:
    """Single spaces, and none before a sign that ends a clause."""
    return re.sub(r"\s+([.,;:!?)\]])", r"\1", " ".join(text.split()))

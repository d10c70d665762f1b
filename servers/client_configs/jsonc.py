"""JSON with comments and trailing commas, as VS Code writes it: both become spaces, so that positions stay true."""

from __future__ import annotations

import re

_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"?|//[^\n]*|/\*.*?(?:\*/|\Z)|,', re.DOTALL)
_SPACE_OR_COMMENT = re.compile(r"(?:\s|//[^\n]*|/\*.*?\*/)*", re.DOTALL)


def to_plain_json(text: str) -> str:
    """The same text, same length and same lines, without comments and trailing commas."""
    return _TOKENS.sub(lambda found: _plain(found, text), text)


def _plain(found: re.Match[str], text: str) -> str:
    piece = found.group()
    if piece.startswith('"'):
        return piece
    if piece == ",":
        space = _SPACE_OR_COMMENT.match(text, found.end())
        after = text[space.end() : space.end() + 1] if space is not None else ""
        return " " if after in {"]", "}"} else ","
    return re.sub(r"[^\n]", " ", piece)

"""The head of an HTTP/1.1 message in its plainest form, read in one pass; None for anything that takes a parser.

A parser calls back for every header, which costs a call more than all that is done with them. Peers send the same
heads again and again, so whoever reads them here may remember what it found by their bytes.

Refuses to know: what the fields mean, but for those that say where the message ends.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

BLANK = b"\r\n\r\n"
HEAD_BYTES = 4096  # a longer one is not plain; remembering many of them would take memory

_LENGTH_DIGITS = 9
_FIELD = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*"
_FIELDS = re.compile(_FIELD + rb"(?:\r\n" + _FIELD + rb")*")
_ANOTHER_END = frozenset({b"transfer-encoding", b"upgrade", b"expect", b"trailer"})


def read_fields(lines: bytes) -> Mapping[bytes, bytes] | None:
    """Fields by their names in lower case, without blanks around the values; None if a name is there twice."""
    if len(lines) > HEAD_BYTES or _FIELDS.fullmatch(lines) is None:
        return None
    split = [line.partition(b":") for line in lines.split(b"\r\n")]
    fields = {name.lower(): value.strip(b" \t") for name, _, value in split}
    return fields if len(fields) == len(split) else None


def body_length(fields: Mapping[bytes, bytes]) -> int | None:
    """How long the body is on a connection that stays; None when it is not simply said."""
    length = fields.get(b"content-length", b"")
    stays = fields.get(b"connection", b"keep-alive").lower() == b"keep-alive"
    if not stays or not length.isdigit() or len(length) > _LENGTH_DIGITS or _ANOTHER_END & fields.keys():
        return None
    return int(length)

"""Where the values of a JSON text begin and end, found without parsing them: for texts too large to be made objects.

Linear in time, constant in memory. It trusts brackets and quotes; whether what stands between them is JSON is not
looked at. Positions are byte offsets, ends exclusive. Raises ValueError where no value is.
"""

from __future__ import annotations

import json
import mmap
import re
from collections.abc import Iterator

Data = bytes | mmap.mmap

_SPACE = re.compile(rb"[ \t\r\n]*+")
_SCALAR = re.compile(rb"[-+.\w]++")
_WITHIN = re.compile(rb'(?:[^"\\]{1,4096}+|\\.){1,256}+', re.DOTALL)  # of a string

# What holds no further bracket, and every short object or array of that kind, is one match: rows cost no Python each.
# Every match is bounded, at about 10 ms: `re` lets no other thread run meanwhile.
_PLAIN = rb'(?:[^"{}\[\]]{1,256}+|"(?:[^"\\]{1,64}+|\\.){0,8}+")'
_PART = re.compile(rb"(?:" + _PLAIN + rb"|[{\[]" + _PLAIN + rb'{0,64}+[}\]]){1,64}+|["{}\[\]]', re.DOTALL)
_PIECE = re.compile(
    rb"[^\\]{1,65536}+|\\u[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F][\da-fA-F]{2}|\\u(?![dD][89a-fA-F])[\da-fA-F]{4}"
    rb'|\\["\\/bfnrt]',
    re.DOTALL,
)
_SHORT = {b"\\" + bytes([c]): json.loads(b'"\\%c"' % c).encode() for c in b'"\\/bfnrt'}
_QUOTE, _OPENING, _CLOSING = ord('"'), frozenset(b"{["), frozenset(b"}]")
_BUFFER = 256 * 1024


def span(data: Data, start: int) -> tuple[int, int]:
    """The value at or after `start`."""
    start = _skip(data, start)
    head = data[start : start + 1]
    if head == b'"':
        return start, _quote_after(data, start)
    if head in {b"{", b"["}:
        return start, _closing(data, start)
    found = _SCALAR.match(data, start)
    if found is None:
        raise ValueError(f"no JSON value at byte {start}")
    return start, found.end()


def members(data: Data, start: int) -> Iterator[tuple[str, int, int]]:
    """Name and value of each member of the object at `start`."""
    position = _skip(data, start + 1)
    while data[position : position + 1] != b"}":
        name, after = span(data, position)
        colon = _skip(data, after)
        if data[name : name + 1] != b'"' or data[colon : colon + 1] != b":":
            raise ValueError(f"no member at byte {position}")
        first, end = span(data, colon + 1)
        yield json.loads(data[name:after]), first, end
        position = _next(data, end, b"}")


def items(data: Data, start: int) -> Iterator[tuple[int, int]]:
    """Each item of the array at `start`."""
    position = _skip(data, start + 1)
    while data[position : position + 1] != b"]":
        first, end = span(data, position)
        yield first, end
        position = _next(data, end, b"]")


def text_of(data: Data, start: int, end: int) -> Iterator[bytes]:
    """What the string at `start` to `end` says, as UTF-8 in pieces. Raises ValueError for half a character."""
    buffer = bytearray()
    position, last = start + 1, end - 1
    for piece in _PIECE.finditer(data, position, last):
        if piece.start() != position:
            break
        position = piece.end()
        found = piece.group()
        if found[:1] == b"\\":
            found = _SHORT.get(found) or json.loads(b'"%s"' % found).encode()
        buffer += found
        if len(buffer) >= _BUFFER:
            yield bytes(buffer)
            buffer.clear()
    if position != last:
        raise ValueError(f"no character at byte {position}")
    yield bytes(buffer)


def _closing(data: Data, start: int) -> int:
    """Behind the bracket that closes the one at `start`."""
    depth, position = 1, start + 1
    while (part := _PART.match(data, position)) is not None:
        position = part.end()
        if position - part.start() > 1:
            continue
        byte = data[position - 1]
        if byte == _QUOTE:
            position = _quote_after(data, position - 1)
        elif byte in _OPENING:
            depth += 1
        elif byte in _CLOSING:
            depth -= 1
            if not depth:
                return position
    raise ValueError(f"what begins at byte {start} has no end")


def _quote_after(data: Data, start: int) -> int:
    """Behind the quote that closes the one at `start`."""
    position = start + 1
    while (within := _WITHIN.match(data, position)) is not None:
        position = within.end()
    if data[position : position + 1] != b'"':
        raise ValueError(f"the string at byte {start} has no end")
    return position + 1


def _next(data: Data, end: int, close: bytes) -> int:
    """Where the next member or item begins, or the closing bracket stands."""
    position = _skip(data, end)
    if data[position : position + 1] == b",":
        return _skip(data, position + 1)
    if data[position : position + 1] != close:
        raise ValueError(f"neither comma nor end at byte {position}")
    return position


def _skip(data: Data, position: int) -> int:
    found = _SPACE.match(data, position)
    assert found is not None
    return found.end()

"""Server-sent events out of bytes, as the WHATWG's specification reads them; only their data."""

from __future__ import annotations

import re
from collections.abc import Iterator

_LINE_END = re.compile(rb"\r\n|\r(?!\n)|\n")


class EventStream:
    """Feed it chunks; it gives the data of every event that they complete."""

    def __init__(self, cap: int) -> None:
        self._cap = cap
        self._rest = b""
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Raises ValueError when an event exceeds the cap."""
        buffer = self._rest + chunk
        held = b""
        if buffer.endswith(b"\r"):  # the second half of a line's end may follow
            buffer, held = buffer[:-1], b"\r"
        *lines, rest = _LINE_END.split(buffer)
        self._rest = rest + held
        for line in lines:
            if line.startswith(b"data:"):
                self._data.append(line[5:].removeprefix(b" "))
                self._size += len(line)
            elif not line and self._data:
                yield b"\n".join(self._data)
                self._data, self._size = [], 0
        if self._size + len(self._rest) > self._cap:
            raise ValueError(self._cap)

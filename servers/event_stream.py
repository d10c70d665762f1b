"""Server-sent events out of bytes, as the WHATWG's specification reads them.

An event that is larger than the cap goes into a file where there is a spool, and is refused where there is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from servers.large_results.spool import Spool, SpoolFile

_LINE_END = re.compile(rb"\r\n|\r|\n")
_FIELD = b"data:"


@dataclass(slots=True)
class Event:
    """One event: its data, None where it has none, and its other lines as they came."""

    data: bytes | SpoolFile | None = None
    others: list[bytes] = field(default_factory=list)


class EventStream:
    """Feed it chunks; it gives every event that they complete."""

    def __init__(self, cap: int, spool: Spool | None = None) -> None:
        self._cap = cap
        self._spool = spool
        self._line = bytearray()  # a line whose end has not come
        self._after_cr = False  # whether a line feed would belong to the line before
        self._data: list[bytes] = []
        self._size = 0
        self._others: list[bytes] = []
        self._file: SpoolFile | None = None
        self._begun = False  # whether a line of data is in the file
        self._within = False  # whether the beginning of the present line is in the file already

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The data of every event, without a spool. Raises ValueError when an event exceeds the cap."""
        for event in self.events(chunk):
            if isinstance(event.data, bytes):
                yield event.data

    def events(self, chunk: bytes) -> Iterator[Event]:
        """Raises ValueError when an event exceeds the cap, SpoolFull when it exceeds the spool."""
        if self._after_cr and chunk:
            chunk = chunk.removeprefix(b"\n")
            self._after_cr = False
        *lines, rest = _LINE_END.split(chunk)
        self._after_cr = chunk.endswith(b"\r")
        for line in lines:
            if self._line:
                line = bytes(self._line) + line  # noqa: PLW2901 - the whole of it
                self._line.clear()
            event = self._take(line)
            if event is not None:
                yield event
        self._line += rest
        if self._within:
            self._write(bytes(self._line))
            self._line.clear()
        elif self._size + len(self._line) > self._cap:
            self._spill()

    def close(self) -> None:
        """Nothing more comes: drop the file of an event that has not ended."""
        if self._file is not None:
            self._file.drop()

    def _take(self, line: bytes) -> Event | None:
        if self._within:
            self._write(line)
            self._within = False
        elif line.startswith(_FIELD):
            self._take_data(line[len(_FIELD) :].removeprefix(b" "))
        elif line:
            self._others.append(line)
            self._grow(len(line))
        elif self._data or self._others or self._file is not None:
            return self._finished()
        return None

    def _take_data(self, data: bytes) -> None:
        if self._file is not None:
            self._put(self._file, data)
        else:
            self._data.append(data)
            self._grow(len(data) + len(_FIELD) + 1)

    def _grow(self, count: int) -> None:
        self._size += count
        if self._size > self._cap:
            self._spill()

    def _spill(self) -> None:
        """On from here the event's data goes into a file, with that of the line under way."""
        is_data = self._line.startswith(_FIELD)
        if self._spool is None or not (is_data if self._line else self._data):
            raise ValueError(self._cap)
        if self._file is None:
            self._file = self._spool.begin()
            self._begun = False
            for data in self._data:
                self._put(self._file, data)
            self._data, self._size = [], 0
        if self._line:
            self._put(self._file, bytes(self._line[len(_FIELD) :]).removeprefix(b" "))
            self._line.clear()
            self._within = True

    def _put(self, file: SpoolFile, data: bytes) -> None:
        file.write(b"\n" + data if self._begun else data)
        self._begun = True

    def _write(self, data: bytes) -> None:
        assert self._file is not None
        self._file.write(data)

    def _finished(self) -> Event:
        data: bytes | SpoolFile | None = self._file
        if data is None and self._data:
            data = b"\n".join(self._data)
        event = Event(data, self._others)
        self._data, self._others, self._size, self._file = [], [], 0, None
        return event

"""Where messages wait that are too large to be parsed: files without a name, of ours alone, bounded in bytes.

A file is unlinked as it is made, so its space is free again when it is dropped and when the process ends, however it
ends. Writes go to the page cache, in pieces as they come from the network.

Refuses to know: what is in a file, who asks.
"""

from __future__ import annotations

import asyncio
import mmap
import secrets
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import RawIOBase
from pathlib import Path

MIB = 1024 * 1024
RESERVE_BYTES = 256 * MIB
"""Disk that is left free: the embedded index beside us writes through mmap, where a full disk is a signal."""

CLAIM_S = 60.0
"""How long a message waits for whoever asked for it; its call may have been given up meanwhile."""


class SpoolFull(Exception):
    """There is no room for that much."""


class Spool:
    """Files below `folder`: each at most `file_bytes`, all together at most `total_bytes`."""

    def __init__(self, folder: Path, *, file_bytes: int, total_bytes: int) -> None:
        self.file_bytes = file_bytes
        self.total_bytes = total_bytes
        self._folder = folder
        self._used = 0
        self._counting = threading.Lock()  # files are written in worker threads too
        self._parked: dict[str, Span] = {}

    @property
    def used(self) -> int:
        """Bytes in files that were not dropped."""
        return self._used

    def begin(self) -> SpoolFile:
        """An empty file. Raises SpoolFull when the disk is nearly full, or the folder cannot be written."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if shutil.disk_usage(self._folder).free < RESERVE_BYTES + self.file_bytes:
                raise SpoolFull("the disk is nearly full")
            # `drop` closes it.
            return SpoolFile(self, tempfile.TemporaryFile(dir=self._folder, buffering=0))
        except OSError as error:
            raise SpoolFull(f"the disk took nothing ({error.strerror})") from error

    def take(self, size: int, count: int) -> None:
        """Count `count` bytes more for a file of `size`. Raises SpoolFull."""
        if size + count > self.file_bytes:
            raise SpoolFull(f"it has more than {self.file_bytes / MIB:g} MiB")
        with self._counting:
            if self._used + count > self.total_bytes:
                raise SpoolFull(f"with others it has more than {self.total_bytes / MIB:g} MiB")
            self._used += count

    def give_back(self, count: int) -> None:
        with self._counting:
            self._used -= count

    def park(self, span: Span) -> str:
        """Keep it for its claim, by a token that cannot be guessed. In the event loop."""
        token = secrets.token_hex(16)
        self._parked[token] = span
        asyncio.get_running_loop().call_later(CLAIM_S, self._forget, token)
        return token

    def claim(self, token: str) -> Span | None:
        return self._parked.pop(token, None)

    def close(self) -> None:
        """Drop what nobody claimed."""
        for token in list(self._parked):
            self._forget(token)

    def _forget(self, token: str) -> None:
        if (span := self._parked.pop(token, None)) is not None:
            span.file.drop()


class SpoolFile:
    """One file, written from its beginning, then read anywhere."""

    def __init__(self, spool: Spool, file: RawIOBase) -> None:
        self.size = 0
        self._spool = spool
        self._file = file

    def write(self, chunk: bytes) -> None:
        """Raises SpoolFull; what was written by then is dropped."""
        try:
            self._spool.take(self.size, len(chunk))
            self.size += len(chunk)
            rest = memoryview(chunk)
            while rest:
                rest = rest[self._file.write(rest) or 0 :]
        except SpoolFull:
            self.drop()
            raise
        except OSError as error:
            self.drop()
            raise SpoolFull(f"the disk took no more ({error.strerror})") from error

    @contextmanager
    def view(self) -> Iterator[mmap.mmap | bytes]:
        """Its bytes, mapped, for `re` and slices. It may be dropped meanwhile."""
        if not self.size:  # nothing cannot be mapped
            yield b""
            return
        with mmap.mmap(self._file.fileno(), self.size, access=mmap.ACCESS_READ) as data:
            yield data

    def __del__(self) -> None:
        """One that nobody holds, since its caller was cancelled while a thread worked on it, holds no room."""
        self.drop()

    def drop(self) -> None:
        """Give the room back. More than once is once."""
        if not self._file.closed:
            self._file.close()
            self._spool.give_back(self.size)


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes `start` to `end` of a file."""

    file: SpoolFile
    start: int
    end: int

    @property
    def size(self) -> int:
        return self.end - self.start

    def read(self) -> bytes:
        with self.file.view() as data:
            return data[self.start : self.end]

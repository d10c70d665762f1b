"""What every transport shares: its message streams, and the notes it leaves for whoever must explain a failure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import anyio
from mcp.shared._stream_protocols import ReadStream, WriteStream
from mcp.shared.message import SessionMessage

from domain.errors import UpstreamError
from servers.limits import KIB

TransportStreams = tuple[ReadStream[SessionMessage | Exception], WriteStream[SessionMessage]]

STDERR_BYTES = 64 * KIB
_QUOTED = 200


class StderrRing:
    """The last 64 KiB a child wrote to its standard error, over all its restarts."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._mark = 0

    def write(self, chunk: bytes) -> None:
        self._bytes += chunk
        surplus = len(self._bytes) - STDERR_BYTES
        if surplus > 0:
            del self._bytes[:surplus]
            self._mark = max(0, self._mark - surplus)

    def mark(self) -> None:
        """A new process starts here."""
        self._mark = len(self._bytes)

    def since_mark(self) -> str:
        return self._bytes[self._mark :].decode("utf-8", "replace")

    def text(self) -> str:
        return self._bytes.decode("utf-8", "replace")


@dataclass(slots=True)
class WireNotes:
    """What a transport saw of one connection. Once it is `over`, its owner closes it."""

    stderr: StderrRing = field(default_factory=StderrRing)
    exit_code: int | None = None
    garbage: str | None = None  # the first line that was no message, cut
    garbage_lines: int = 0
    fault: UpstreamError | None = None
    over: anyio.Event = field(default_factory=anyio.Event)
    has_session: Callable[[], bool] = lambda: False  # whether the server gave it a session id
    on_stream_end: Callable[[object], None] | None = None  # told the id of a request whose stream ended early

    def note_garbage(self, line: bytes) -> None:
        self.garbage_lines += 1
        if self.garbage is None:
            self.garbage = line[:_QUOTED].decode("utf-8", "replace").strip()

    def fail(self, fault: UpstreamError) -> None:
        """The first fault is the one that is told."""
        if self.fault is None:
            self.fault = fault
        self.over.set()

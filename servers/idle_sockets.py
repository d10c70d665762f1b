"""A bound on the sockets that are kept open for a next request, over all servers: a process may have a thousand files
open by default, and a sweep over thousands of servers would leave one socket each for the seconds it is kept.
"""

from __future__ import annotations

from collections.abc import Callable

MOST = 256


class IdleSockets:
    """Closes the one that has been idle longest when there are too many."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._idle: dict[object, Callable[[], None]] = {}  # in the order in which they came

    def __len__(self) -> int:
        return len(self._idle)

    def add(self, socket: object, close: Callable[[], None]) -> None:
        self._idle[socket] = close
        if len(self._idle) > self._most:
            self._idle.pop(next(iter(self._idle)))()

    def take(self, socket: object) -> None:
        """It is in use again, or closed. One that is not here is no error."""
        self._idle.pop(socket, None)

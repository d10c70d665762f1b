"""Sockets that are kept open for a next request: by where they lead, over all servers of a pool.

HTTP requests stand alone, so servers behind one address share its sockets, as in any HTTP client: a sweep over a
thousand of them opens a few dozen. Their number is bounded, because a process may have a thousand files open by
default, and a sweep over thousands of addresses would leave one each for the seconds it is kept.
"""

from __future__ import annotations

import asyncio
from typing import Generic, Protocol, TypeVar

MOST = 256

KEEP_S = 4.0
"""An idle socket is closed by us: common servers do so after five seconds, and a request must not meet that."""

Origin = tuple[bool, str, int]
"""Whether it is encrypted, host, port."""


class Socket(Protocol):
    """What is kept."""

    @property
    def open(self) -> bool: ...

    def abort(self) -> None: ...


S = TypeVar("S", bound=Socket)


class IdleSockets(Generic[S]):
    """The one returned last is used first; the one idle longest is closed when there are too many."""

    def __init__(self, most: int = MOST, keep_s: float = KEEP_S) -> None:
        self._most = most
        self._keep_s = keep_s
        self._since: dict[S, tuple[Origin, float]] = {}  # in the order in which they came; loop time
        self._of: dict[Origin, list[S]] = {}  # in the same order
        self._sweeping: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._since)

    def add(self, origin: Origin, socket: S) -> None:
        """Keep it. One timer for all of them: a timer per exchange costs as much as its parser."""
        loop = asyncio.get_running_loop()
        self._since[socket] = origin, loop.time()
        self._of.setdefault(origin, []).append(socket)
        if len(self._since) > self._most:
            self._drop_oldest()
        if self._sweeping is None:
            self._sweeping = loop.call_later(self._keep_s, self._sweep)

    def take(self, origin: Origin) -> S | None:
        """An open one for use, None where there is none."""
        now = asyncio.get_running_loop().time()
        shelf = self._of.get(origin, [])
        while shelf:
            socket = shelf.pop()
            if not shelf:
                del self._of[origin]
            _, since = self._since.pop(socket)
            if socket.open and now - since < self._keep_s:
                return socket
            socket.abort()
        return None

    def close(self) -> None:
        """Close all of them."""
        if self._sweeping is not None:
            self._sweeping.cancel()
            self._sweeping = None
        while self._since:
            self._drop_oldest()

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        self._sweeping = None
        while self._since:
            oldest, (_, since) = next(iter(self._since.items()))
            if oldest.open and loop.time() - since < self._keep_s:
                self._sweeping = loop.call_at(since + self._keep_s, self._sweep)
                return
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        oldest, (origin, _) = next(iter(self._since.items()))
        del self._since[oldest]
        shelf = self._of[origin]
        shelf.remove(oldest)  # it is at the front: both are in the order in which sockets came
        if not shelf:
            del self._of[origin]
        oldest.abort()

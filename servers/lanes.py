"""The open connections of one server: one for everybody, or one for each of those who must not meet each other's state.

Refuses to know: what a connection is used for, and which of the two a server needs (servers/upstream.py).
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Hashable, Iterator
from contextlib import contextmanager

from servers.manner import AnyConnection

Owner = Hashable
"""Whoever meets the same state at a server; compared, never looked into."""

EVERYBODY: Owner = ""
"""The lane of those who share: listings always, calls where no state is kept for them."""


class Lanes:
    """Connections by owner. Above `most`, the one that was used longest ago is closed, but none in use."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: OrderedDict[Owner, AnyConnection] = OrderedDict()  # the one used longest ago first
        self._retired: set[AnyConnection] = set()
        self._uses: Counter[Owner] = Counter()

    @contextmanager
    def used_by(self, owner: Owner) -> Iterator[None]:
        """The owner's connection is kept meanwhile."""
        self._uses[owner] += 1
        try:
            yield
        finally:
            self._uses[owner] -= 1
            if not self._uses[owner]:
                del self._uses[owner]

    @property
    def latest(self) -> AnyConnection | None:
        """The connection that was used last, also when it has ended."""
        return next(reversed(self._open.values()), None)

    def of(self, owner: Owner) -> AnyConnection | None:
        """The owner's connection, unless it has ended."""
        connection = self._open.get(owner)
        if connection is None:
            return None
        if connection.ended:
            self.retire(connection)
            return None
        self._open.move_to_end(owner)
        return connection

    def put(self, owner: Owner, connection: AnyConnection) -> None:
        """The owner's connection from now on."""
        spare = [old for other, old in self._open.items() if other not in self._uses]
        for old in sorted(spare, key=lambda old: not old.ended)[: max(0, len(self._open) + 1 - self._most)]:
            self.retire(old)
        self._open[owner] = connection

    def retire(self, connection: AnyConnection) -> None:
        """Let it finish what it does; its owner's next request opens another one."""
        connection.retire()
        self._retired = {old for old in self._retired | {connection} if not old.gone}
        self._open = OrderedDict((owner, other) for owner, other in self._open.items() if other is not connection)

    async def close(self) -> None:
        """End every connection."""
        await asyncio.gather(*(connection.close() for connection in self._retired | set(self._open.values())))

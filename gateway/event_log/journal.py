"""The event log's batch writer: recording costs the request path one append, the database is written behind it."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from domain.errors import ToolcribError, Unavailable
from domain.events import Event, Versions
from domain.log_rules import LogRules
from gateway.event_log.redaction import redacted

logger = logging.getLogger(__name__)

FLUSH_INTERVAL_S = 0.25  # at most this much of the log is lost by a kill
BATCH = 256
CAPACITY = 20_000  # events held while the database is away; beyond it the oldest are dropped and counted
_SESSIONS_TRACKED = 10_000
_SETTLE_S = 0.05


class EventSink(Protocol):
    """Where batches go; the store's event repository."""

    async def append(self, events: Sequence[Event]) -> None: ...


class Journal:
    """Bounded, ordered, off the request path.

    Every event is stamped with the versions in force; events of one session are linked to the one before.
    """

    def __init__(
        self,
        sink: EventSink,
        versions: Callable[[], Versions],
        rules: Callable[[str], LogRules] = lambda _tenant: LogRules(),
        listeners: Sequence[Callable[[Event], None]] = (),
    ) -> None:
        """`rules`: what may be written of a tenant's events; asked when they are, and before arguments are taken in.
        `listeners`: are told every event, as it is, before anything is written.
        """
        self._sink = sink
        self._versions = versions
        self.rules = rules
        self._listeners = listeners
        self._pending: list[Event] = []
        self._coming: deque[tuple[Callable[[], Event], Versions]] = deque()
        self._last_of_session: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._wake = asyncio.Event()
        self._lock = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self.written = 0
        self.dropped = 0

    def record(self, event: Event) -> Event:
        """Take an event; returns it as it will be written. Never waits, never raises."""
        self._settle()
        return self._take(event, self._versions())

    def record_soon(self, make: Callable[[], Event]) -> None:
        """Take an event that is made after the request it tells of was answered; its order and versions are of now.

        Hashing and building one costs as much as the rest of a call's bookkeeping. `make` must not raise.
        """
        if not self._coming:
            asyncio.get_running_loop().call_later(_SETTLE_S, self._settle)
        self._coming.append((make, self._versions()))

    async def flush(self) -> None:
        """Write everything recorded so far; an event that the database refuses is dropped alone, and counted.

        Raises StoreUnavailable or StorageFull and keeps what was not written.
        """
        self._settle()
        async with self._lock:
            while self._pending:
                await self._write(self._pending[:BATCH])

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="journal")

    async def close(self) -> None:
        """Stop the writer and write the rest."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        try:
            await self.flush()
        except ToolcribError as error:
            logger.warning("%d events could not be written at shutdown: %s", len(self._pending), error.message)

    def _settle(self) -> None:
        """Make what was promised. Not left to the writer: while the database is away, it holds on to requests."""
        while self._coming:
            make, versions = self._coming.popleft()
            self._take(make(), versions)

    def _take(self, event: Event, versions: Versions) -> Event:
        event = replace(event, versions=versions)
        if event.session_id is not None:
            event = self._linked(event, event.session_id)
        for listener in self._listeners:
            listener(event)
        if len(self._pending) >= CAPACITY:
            del self._pending[0]
            self.dropped += 1
        self._pending.append(event)
        if len(self._pending) >= BATCH:
            self._wake.set()
        return event

    async def _write(self, batch: Sequence[Event]) -> None:
        """Halves a batch that is refused until what is refused is one event: the others must not wait behind it."""
        try:
            await self._sink.append([redacted(event, self.rules(event.tenant)) for event in batch])
        except Unavailable:
            raise
        except (ToolcribError, ValueError) as error:
            if len(batch) > 1:
                middle = len(batch) // 2
                await self._write(batch[:middle])
                await self._write(batch[middle:])
                return
            self.dropped += 1
            logger.warning("One %s event was dropped, since it cannot be written: %s", batch[0].kind.value, error)
        else:
            self.written += len(batch)
        settled = {event.id for event in batch}
        self._pending = [event for event in self._pending if event.id not in settled]

    async def _run(self) -> None:
        while True:
            try:
                async with asyncio.timeout(FLUSH_INTERVAL_S):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            try:
                await self.flush()
            except ToolcribError as error:
                logger.warning("Events are kept in memory (%d): %s", len(self._pending), error.message)
            except Exception:  # outermost loop: a log that stops would stop in silence
                logger.exception("Events are kept in memory (%d): an unforeseen error.", len(self._pending))

    def _linked(self, event: Event, session_id: str) -> Event:
        key = (event.tenant, session_id)
        if event.parent_id is None:
            event = replace(event, parent_id=self._last_of_session.get(key))
        self._last_of_session[key] = event.id
        self._last_of_session.move_to_end(key)
        if len(self._last_of_session) > _SESSIONS_TRACKED:
            self._last_of_session.popitem(last=False)
        return event

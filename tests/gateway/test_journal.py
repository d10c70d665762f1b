"""The event log's writer: batched, ordered, linked per session, patient with a database that is away."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from domain.errors import InvalidInput, StoreUnavailable
from domain.events import Event, EventKind, Versions
from gateway.event_log.journal import BATCH, CAPACITY, Journal

pytestmark = pytest.mark.anyio


class Sink:
    """A store that can be away."""

    def __init__(self) -> None:
        self.batches: list[list[Event]] = []
        self.away = False

    async def append(self, events: Sequence[Event]) -> None:
        if self.away:
            raise StoreUnavailable
        self.batches.append(list(events))

    @property
    def ids(self) -> list[str]:
        return [event.id for batch in self.batches for event in batch]


def event(session: str | None = None) -> Event:
    return Event("t", "me", EventKind.SEARCH, at=0.0, session_id=session)


def journal(sink: Sink) -> Journal:
    return Journal(sink, lambda: Versions(catalogue="7"))


async def test_events_are_written_in_order_and_in_batches() -> None:
    sink = Sink()
    log = journal(sink)
    made = [log.record(event()).id for _ in range(BATCH + 3)]
    await log.flush()
    assert sink.ids == made
    assert [len(batch) for batch in sink.batches] == [BATCH, 3]


async def test_an_event_carries_the_versions_in_force() -> None:
    assert journal(Sink()).record(event()).versions == Versions(catalogue="7")


async def test_events_of_one_session_are_linked_and_sessions_are_not_mixed() -> None:
    log = journal(Sink())
    first, other, second = (log.record(event(session)) for session in ("a", "b", "a"))
    assert (first.parent_id, other.parent_id, second.parent_id) == (None, None, first.id)


async def test_nothing_is_lost_while_the_database_is_away() -> None:
    sink = Sink()
    sink.away = True
    log = journal(sink)
    made = log.record(event()).id
    with pytest.raises(StoreUnavailable):
        await log.flush()
    sink.away = False
    await log.flush()
    assert sink.ids == [made]


async def test_a_database_away_for_long_costs_the_oldest_events_and_they_are_counted() -> None:
    sink = Sink()
    log = journal(sink)
    made = [log.record(event()).id for _ in range(CAPACITY + 2)]
    await log.flush()
    assert log.dropped == 2
    assert sink.ids == made[2:]


async def test_closing_writes_the_rest() -> None:
    sink = Sink()
    log = journal(sink)
    log.start()
    made = log.record(event()).id
    await log.close()
    assert sink.ids == [made]


class Picky(Sink):
    """Refuses batches with one certain event, as PostgreSQL refuses a NUL in a text."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error
        self.refused: set[str] = set()

    async def append(self, events: Sequence[Event]) -> None:
        if any(event.id in self.refused for event in events):
            raise self.error
        await super().append(events)


@pytest.mark.parametrize("error", [InvalidInput("No."), ValueError("no")])
async def test_an_event_that_cannot_be_written_is_dropped_alone(error: Exception) -> None:
    sink = Picky(error)
    log = journal(sink)
    made = [log.record(event()).id for _ in range(BATCH + 3)]
    sink.refused = {made[7], made[BATCH]}
    await log.flush()
    assert sink.ids == [id_ for id_ in made if id_ not in sink.refused]
    assert (log.written, log.dropped) == (BATCH + 1, 2)


async def test_the_writer_goes_on_after_an_unforeseen_error(caplog: pytest.LogCaptureFixture) -> None:
    failed, written = asyncio.Event(), asyncio.Event()

    class Moody(Sink):
        async def append(self, events: Sequence[Event]) -> None:
            if not failed.is_set():
                failed.set()
                raise KeyError
            await super().append(events)
            written.set()

    sink = Moody()
    log = journal(sink)
    log.start()
    made = log.record(event()).id
    async with asyncio.timeout(10):
        await written.wait()
    await log.close()
    assert sink.ids == [made]
    assert "an unforeseen error" in caplog.text


async def test_what_is_made_soon_is_written_in_order_with_what_is_made_now_and_with_the_versions_of_its_time() -> None:
    sink, catalogue = Sink(), ["1"]
    log = Journal(sink, lambda: Versions(catalogue=catalogue[0]))
    promised = event("a")
    log.record_soon(lambda: promised)
    catalogue[0] = "2"
    made = log.record(event("a"))
    await log.flush()
    first, second = sink.batches[0]
    assert (first.id, second.id) == (promised.id, made.id)
    assert (first.versions.catalogue, second.versions.catalogue) == ("1", "2")
    assert second.parent_id == first.id


async def test_what_was_promised_is_made_though_the_database_is_away() -> None:
    sink, made = Sink(), asyncio.Event()
    sink.away = True
    log = journal(sink)

    def make() -> Event:
        made.set()
        return event()

    log.record_soon(make)
    await asyncio.wait_for(made.wait(), 5)
    assert sink.batches == []

"""What the event log says of calls that are refused: nothing unverified, and never an error of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from domain.errors import InvalidInput, SessionNotFound
from domain.events import Event, Outcome, Versions
from domain.identity import LOCAL
from domain.sessions import MemoryMode
from gateway.journal import Journal
from gateway.use_cases.call import Call, Invocation
from gateway.use_cases.catalogue import CatalogueReader
from gateway.use_cases.results import ResultLimits, Results
from gateway.use_cases.session_options import SessionDefaults
from gateway.use_cases.sessions import Sessions
from servers.pool import ServerPool
from store.store import Store
from tests.store.making import NOW, a_server, a_tool, adding

pytestmark = pytest.mark.anyio


class Sink:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    async def append(self, events: Sequence[Event]) -> None:
        self.events += events


@pytest.mark.parametrize(
    ("session_id", "arguments", "error"),
    [
        ("s_never_minted", {}, SessionNotFound),
        (None, {"number": float("nan")}, InvalidInput),
        (None, {"text": "\ud800"}, InvalidInput),
    ],
)
async def test_a_refused_call_is_recorded_without_what_was_not_verified(
    tmp_path: Path, session_id: str | None, arguments: dict[str, object], error: type[Exception]
) -> None:
    store = await Store.open(f"sqlite:///{tmp_path}/toolcrib.db")
    await store.servers.add(a_server())
    await store.catalogue.apply(LOCAL.tenant, "files", adding(a_tool("read")), expected_generation=0, at=NOW)
    sink, pool, catalogue = Sink(), ServerPool(), CatalogueReader(store)
    journal = Journal(sink, Versions)
    sessions = Sessions(store, catalogue, journal, SessionDefaults(MemoryMode.LRU, 8, 60.0))
    results = Results(None, sessions, ResultLimits())
    call = Call(pool, catalogue, sessions, results, journal, 5.0)

    with pytest.raises(error):
        await call(LOCAL, Invocation("files__read", arguments, session_id))
    await journal.flush()
    await pool.aclose()
    await store.close()

    (recorded,) = sink.events
    assert (recorded.session_id, recorded.outcome) == (None, Outcome.REFUSED)

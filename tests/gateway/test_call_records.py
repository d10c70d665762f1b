"""What the event log says of calls that are refused: nothing unverified, and never an error of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from domain.canonical import canonical_json, sha256_hex
from domain.errors import InvalidInput, SessionNotFound, ToolNotFound
from domain.events import Actor, Event, Outcome, Versions
from domain.identity import LOCAL
from domain.log_rules import LogRules
from domain.sessions import MemoryMode
from gateway.event_log.journal import Journal
from gateway.use_cases.attempts import Attempts
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


async def recorded_of(folder: Path, asked: Invocation, error: type[Exception], rules: LogRules) -> Event:
    """The record of a call that is refused."""
    store = await Store.open(f"sqlite:///{folder}/toolcrib.db")
    await store.servers.add(a_server())
    await store.catalogue.apply(LOCAL.tenant, "files", adding(a_tool("read")), expected_generation=0, at=NOW)
    sink, pool, catalogue = Sink(), ServerPool(), CatalogueReader(store)
    journal = Journal(sink, Versions, lambda _tenant: rules)
    sessions = Sessions(store, catalogue, journal, SessionDefaults(MemoryMode.LRU, 8, 60.0))
    results = Results(None, sessions, ResultLimits())
    call = Call(Attempts(pool), catalogue, sessions, results, journal, 5.0)

    with pytest.raises(error):
        await call(LOCAL, asked)
    await journal.flush()
    await pool.aclose()
    await store.close()
    (recorded,) = sink.events
    return recorded


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
    recorded = await recorded_of(tmp_path, Invocation("files__read", arguments, session_id), error, LogRules())
    assert (recorded.session_id, recorded.outcome) == (None, Outcome.REFUSED)


@pytest.mark.parametrize(
    ("kept", "arguments"), [(False, {"path": "x"}), (True, {"path": "x"}), (True, {"p": "x" * 20_000})]
)
async def test_values_of_arguments_are_written_only_where_the_tenant_wants_them_and_they_are_small(
    tmp_path: Path, *, kept: bool, arguments: dict[str, object]
) -> None:
    asked = Invocation("files__unknown", arguments)
    recorded = await recorded_of(tmp_path, asked, ToolNotFound, LogRules(arguments=kept))
    assert recorded.body["arguments_hash"] == sha256_hex(canonical_json(arguments))
    assert recorded.body.get("arguments") == (arguments if kept and len(str(arguments)) < 1000 else None)
    assert (recorded.actor, recorded.known_propensity) == (Actor.AGENT, None)

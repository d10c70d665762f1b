"""What tools need first, as the product learns it: from its own log, per tenant, and switched off by a setting."""

from __future__ import annotations

from pathlib import Path

import pytest

from domain.events import Event, EventKind, Outcome
from domain.identity import LOCAL
from gateway.recorded_sessions import RecordedSessions
from gateway.settings import Settings
from gateway.use_cases.search import Ask
from gateway.wiring import Toolcrib, open_toolcrib
from index.dependencies import STAGE
from store.store import Store
from tests.upstreams.running import stdio_server

pytestmark = pytest.mark.anyio


def call(session: str | None, tool: str, tenant: str = LOCAL.tenant, outcome: Outcome = Outcome.OK) -> Event:
    return Event(tenant, "local", EventKind.CALL, 1.0, session_id=session, outcome=outcome, body={"tool_id": tool})


async def test_only_successful_calls_in_sessions_of_the_tenant_count(tmp_path: Path) -> None:
    store = await Store.open(f"sqlite+aiosqlite:///{tmp_path / 'toolcrib.db'}")
    try:
        twice = [call(session, tool) for session in ("s_1", "s_2") for tool in ("login", "book")]
        failed = [call(session, tool, outcome=Outcome.TOOL_ERROR) for session in ("s_3", "s_4") for tool in "ab"]
        alone = [call(None, tool) for tool in "cdcd"]
        foreign = [call(session, tool, "other") for session in ("s_5", "s_6") for tool in ("spy", "book")]
        await store.events.append([*twice, *failed, *alone, *foreign])
        recorded = RecordedSessions(store.events)
        assert recorded.graph(LOCAL.tenant).needs == {}
        await recorded.read()
        assert recorded.graph(LOCAL.tenant).needs == {"book": {"login": 1.0}}
        assert recorded.graph("other").needs == {"book": {"spy": 1.0}}
        await store.events.append([call("s_1", "pay"), call("s_2", "pay")])  # the sessions went on
        await recorded.read()
        assert recorded.graph(LOCAL.tenant).needs["pay"] == {"book": 1.0, "login": 1.0}
    finally:
        await store.close()


@pytest.mark.parametrize("is_on", [True, False])
async def test_a_search_brings_what_sessions_called_first(tmp_path: Path, *, is_on: bool) -> None:
    async with open_toolcrib(Settings(data=tmp_path, dependency_closure=is_on), follow=False) as crib:
        server = stdio_server("reference")
        await crib.servers.add(LOCAL, "ref", server.launch)
        await crib.engine.sync_server(LOCAL.tenant, "ref", trigger="command")
        plain = await found(crib)
        wide = await found(crib, 20)
        needed = wide[-1]
        assert needed not in plain
        await crib.store.events.append([call(session, tool) for session in "ab" for tool in (needed, plain[0])])
        await crib.recorded.read()
        after = await found(crib)
        assert after == ([*plain[:-1], needed] if is_on else plain)


async def found(crib: Toolcrib, k: int = 5) -> list[str]:
    answer = await crib.search(LOCAL, Ask(("give the text back",), k))
    if k == 5:
        stages = [one.candidate.stages for one in answer.answers[0].found]
        assert all(STAGE not in of_tool for of_tool in stages[:-1])
    return [one.candidate.tool_id for one in answer.answers[0].found]

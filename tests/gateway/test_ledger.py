"""The ledger of a session as its use cases keep it, over HTTP and in `/metrics`."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from domain.identity import LOCAL
from gateway.wiring import Toolcrib
from tests.gateway.toolcribs import a_crib, asking

pytestmark = pytest.mark.anyio


@pytest.fixture
async def crib(tmp_path: Path) -> AsyncIterator[Toolcrib]:
    async with a_crib(tmp_path, ("read", "write", "weather")) as opened:
        yield opened


@pytest.fixture
async def http(crib: Toolcrib) -> AsyncIterator[httpx2.AsyncClient]:
    async with asking(crib) as client:
        yield client


async def opened(http: httpx2.AsyncClient, **options: Any) -> str:
    return str((await http.post("/api/v1/sessions", json=options)).json()["id"])


async def ledger(http: httpx2.AsyncClient, session: str) -> dict[str, Any]:
    kept: dict[str, Any] = (await http.get(f"/api/v1/sessions/{session}")).json()["ledger"]
    return kept


async def use(crib: Toolcrib, session: str, name: str) -> None:
    [tool] = (await crib.catalogue.get_many(LOCAL.tenant, [name])).values()
    await crib.sessions.used(LOCAL, session, tool)


async def test_searches_and_removals_are_extra_turns_and_calls_are_the_work(
    crib: Toolcrib, http: httpx2.AsyncClient
) -> None:
    session = await opened(http)
    await http.post("/api/v1/search", json={"queries": ["weather"], "k": 2, "session_id": session})
    await use(crib, session, "files__weather")
    await http.post(f"/api/v1/sessions/{session}/memory", json={"remove": ["files__weather"]})
    kept = await ledger(http, session)
    assert (kept["requests"], kept["extra_turns"], kept["cache_rewrites"]) == (3, 2, 0)
    assert kept["answers"]["tokens"] > 30
    assert kept["meta_tools"] == {"bytes": 1300, "tokens": 325}
    assert kept["net"] == pytest.approx(kept["spared"] - kept["spent"]["total"], abs=1)


async def test_an_admins_edit_costs_the_agent_nothing(http: httpx2.AsyncClient) -> None:
    session = await opened(http)
    await http.post(f"/api/v1/sessions/{session}/memory", json={"add": ["files__read"], "pin": ["files__read"]})
    assert (await ledger(http, session))["requests"] == 0


async def test_in_a_workflow_the_turn_searches_and_what_it_binds_is_counted(http: httpx2.AsyncClient) -> None:
    session = await opened(http, mode="workflow")
    for message in ("the weather", "read it", "write it"):
        await http.post(f"/api/v1/sessions/{session}/turns", json={"messages": [message], "k": 1})
    kept = await ledger(http, session)
    assert (kept["requests"], kept["extra_turns"], kept["answers"]["tokens"]) == (3, 0, 0)
    assert kept["meta_tools"]["tokens"] == 0
    assert kept["bound"]["written_tokens"] > 0


async def test_a_small_catalogue_makes_the_ledger_suggest_passthrough_and_nothing_switches_by_itself(
    crib: Toolcrib, http: httpx2.AsyncClient
) -> None:
    session = await opened(http)
    for _ in range(6):
        await http.post("/api/v1/search", json={"queries": ["weather"], "session_id": session})
        await use(crib, session, "files__weather")
    kept = await ledger(http, session)
    assert kept["net"] < 0
    assert kept["catalogue_tokens"] < kept["break_even_tokens"]
    assert "passthrough would be cheaper" in kept["suggestion"]
    assert (await http.get(f"/api/v1/sessions/{session}")).json()["mode"] == "lru"


async def test_metrics_add_up_all_sessions_and_name_none(crib: Toolcrib, http: httpx2.AsyncClient) -> None:
    sessions = [await opened(http), await opened(http)]
    for session in sessions:
        await http.post("/api/v1/search", json={"queries": ["weather"], "session_id": session})
        await use(crib, session, "files__weather")
    answer = await http.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    values = {
        sample.name: sample.value for family in text_string_to_metric_families(answer.text) for sample in family.samples
    }
    assert values["toolcrib_session_requests_total"] == 4
    assert values["toolcrib_session_extra_turns_total"] == 2
    assert values["toolcrib_session_answered_tokens_total"] > 0
    assert not any(word in answer.text for word in (*sessions, "weather", "default"))


async def test_the_ledger_is_kept_in_the_store(crib: Toolcrib, http: httpx2.AsyncClient) -> None:
    session = await opened(http, mode="hybrid")
    await http.post("/api/v1/search", json={"queries": ["weather"], "session_id": session})
    await http.post(f"/api/v1/sessions/{session}/turns", json={"messages": ["x"]})
    before = (await crib.sessions.show(LOCAL, session))[1]
    crib.store.sessions._seen.clear()
    stored = (await crib.store.sessions.get(LOCAL.tenant, None, session, time.time()))[1]
    assert stored.ledger == before.ledger
    assert stored.ledger.requests == 2

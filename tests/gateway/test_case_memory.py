"""Case memory and tool statistics through the whole application: offered with a reason, per tenant, with a switch."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest

from domain.events import Event, EventKind, Outcome
from domain.identity import LOCAL, Principal, Role
from gateway.api.app import make_app
from gateway.api.dependencies import _principal
from gateway.mcp.backend_local import LocalBackend
from gateway.mcp.server import answer_call
from gateway.settings import Settings
from gateway.use_cases.search import Ask
from gateway.wiring import Toolcrib, open_toolcrib
from tests.store.making import a_server, a_tool, adding

pytestmark = pytest.mark.anyio

NAMES = ["read", "write", "weather", "translate", "invoice", "calendar"]
NEED = "forecast of rain for a picnic"
LATER = "rain forecast for the picnic on sunday"
ODD = "files__translate"  # what no retrieval would find for it
REASON = "worked 1 of 1 times for similar requests"
STRANGER = Principal("elsewhere", "ada", frozenset(Role))


@asynccontextmanager
async def crib_at(folder: Path, **settings: Any) -> AsyncIterator[Toolcrib]:
    async with open_toolcrib(Settings(data=folder, **settings), follow=False) as opened:
        for tenant in (LOCAL.tenant, STRANGER.tenant):
            await opened.store.servers.add(replace(a_server(), tenant=tenant))
            tools = adding(*(a_tool(name, tenant=tenant) for name in NAMES))
            await opened.store.catalogue.apply(tenant, "files", tools, expected_generation=0, at=1.0)
        await opened.indexer.drain()
        yield opened


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as opened:
        yield opened


async def worked(crib: Toolcrib, *, tool: str = ODD, outcome: Outcome = Outcome.OK) -> None:
    """A session that searched for NEED, was shown every tool, and called one."""
    session = await crib.sessions.open(LOCAL)
    await crib.search(LOCAL, Ask((NEED,), k=len(NAMES), session_id=session.id))
    body = {"tool_id": tool, "server": "files"}
    crib.journal.record(
        Event(
            LOCAL.tenant, LOCAL.subject, EventKind.CALL, time.time(), session_id=session.id, outcome=outcome, body=body
        )
    )
    await crib.journal.flush()
    for tenant in (LOCAL.tenant, STRANGER.tenant):
        await crib.experiences.catch_up(tenant)


async def candidates(crib: Toolcrib, query: str, principal: Principal = LOCAL, *, k: int = 3) -> list[str]:
    answer = await crib.search(principal, Ask((query,), k=k))
    return [found.candidate.tool_id for found in answer.answers[0].found]


async def test_what_worked_for_a_similar_need_is_offered_with_its_reason(tmp_path: Path, stack: AsyncExitStack) -> None:
    crib = await stack.enter_async_context(crib_at(tmp_path))
    before = await candidates(crib, LATER)
    assert ODD not in before
    await worked(crib)
    after = await candidates(crib, LATER)
    assert after == [*before[:2], ODD]
    said = json.loads(
        (await answer_call(LocalBackend(crib, LOCAL), "search_tools", {"queries": [LATER]}))["content"][0]["text"]
    )
    assert said["results"][0]["reasons"][ODD] == REASON


async def test_other_needs_and_other_tenants_hear_nothing_of_it(tmp_path: Path, stack: AsyncExitStack) -> None:
    crib = await stack.enter_async_context(crib_at(tmp_path))
    other = await candidates(crib, "write an invoice")
    elsewhere = await candidates(crib, LATER, STRANGER)
    await worked(crib)
    assert await candidates(crib, "write an invoice") == other
    assert await candidates(crib, LATER, STRANGER) == elsewhere


async def test_what_failed_is_not_offered(tmp_path: Path, stack: AsyncExitStack) -> None:
    crib = await stack.enter_async_context(crib_at(tmp_path))
    before = await candidates(crib, LATER)
    await worked(crib, outcome=Outcome.TIMEOUT)
    assert await candidates(crib, LATER) == before


async def test_the_switch_turns_offers_off_and_leaves_the_statistics(tmp_path: Path, stack: AsyncExitStack) -> None:
    crib = await stack.enter_async_context(crib_at(tmp_path, case_memory=False))
    before = await candidates(crib, LATER)
    await worked(crib)
    assert await candidates(crib, LATER) == before
    assert (await crib.experiences.records(LOCAL.tenant))[ODD].succeeded == 1


async def test_an_offer_displaces_nothing_that_was_asked_for_alone_or_by_name(
    tmp_path: Path, stack: AsyncExitStack
) -> None:
    crib = await stack.enter_async_context(crib_at(tmp_path))
    alone = await candidates(crib, LATER, k=1)
    await worked(crib)
    assert await candidates(crib, LATER, k=1) == alone
    named = await candidates(crib, f"files__read files__write files__invoice {LATER}", k=3)
    assert set(named) == {"files__read", "files__write", "files__invoice"}


async def test_a_restart_and_another_replica_come_to_the_same(tmp_path: Path, stack: AsyncExitStack) -> None:
    async with crib_at(tmp_path) as first:
        await worked(first)
        offered = first.experiences.offers(LOCAL.tenant, LATER)
    again = await stack.enter_async_context(open_toolcrib(Settings(data=tmp_path), follow=False))
    assert again.experiences.offers(LOCAL.tenant, LATER) == []
    await again.experiences.catch_up(LOCAL.tenant)
    assert again.experiences.offers(LOCAL.tenant, LATER) == offered != []


async def test_statistics_are_told_to_admins_alone(tmp_path: Path, stack: AsyncExitStack) -> None:
    crib = await stack.enter_async_context(crib_at(tmp_path))
    await worked(crib)
    await worked(crib, outcome=Outcome.TIMEOUT)
    app = make_app(crib)
    await stack.enter_async_context(app.router.lifespan_context(app))
    http = await stack.enter_async_context(
        httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://127.0.0.1/api/v1", trust_env=False)
    )
    [told] = (await http.get("/stats")).json()["tools"]
    assert (told["tool_id"], told["calls"], told["success_rate"]) == (ODD, 2, 0.5)
    assert told["common_errors"] == [{"error": "timeout", "calls": 1}]
    app.dependency_overrides[_principal] = lambda: Principal(LOCAL.tenant, "ada", frozenset({Role.AGENT}))
    assert (await http.get("/stats")).status_code == 403

"""Two real gateways on one PostgreSQL: what is done at one is seen at the other, and one of them syncs."""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack
from pathlib import Path

import httpx2
import pytest

from tests.chaos.parts import (
    ChangingUpstream,
    api_of,
    changing_upstream,
    found,
    qdrant_peer,
    register,
    seconds_until,
    sync,
)
from tests.e2e.running import serving

pytestmark = pytest.mark.anyio

VISIBLE_S = 2.0

Pair = tuple[httpx2.AsyncClient, httpx2.AsyncClient]


@pytest.fixture
async def upstream() -> AsyncIterator[ChangingUpstream]:
    async with changing_upstream(2, 30) as running:
        yield running


@pytest.fixture(params=["an index each", "a shared Qdrant"])
async def pair(request: pytest.FixtureRequest, postgres_url: str, tmp_path: Path) -> AsyncIterator[Pair]:
    """Clients of two gateways, of which the first leads: the containers' topology, without containers."""
    settings = {"database_url": postgres_url, "secrets_key": base64.b64encode(os.urandom(32)).decode()}
    async with AsyncExitStack() as stack:
        if request.param == "a shared Qdrant":
            peer = await stack.enter_async_context(qdrant_peer())
            # The fake one is slow by itself; what is asked of it is to be answered by it.
            settings |= {"qdrant_url": f"http://127.0.0.1:{peer}", "qdrant_deadline_s": "30"}
        clients = []
        for name in ("one", "two"):
            gateway = stack.enter_context(serving(tmp_path / name, port=0, **settings))
            clients.append(await stack.enter_async_context(api_of(gateway.url)))
        yield clients[0], clients[1]


async def test_a_sync_asked_of_either_gateway_is_found_at_both(pair: Pair, upstream: ChangingUpstream) -> None:
    for number, http in enumerate(pair):
        await register(http, f"s{number}", upstream.url(number))
        assert (await sync(http, f"s{number}"))["added"] == 30

    for http in pair:
        for number in range(2):

            async def is_found(http: httpx2.AsyncClient = http, server: str = f"s{number}") -> bool:
                return f"{server}__read_file_0" in await found(http, f"{server} read_file_0", 10)

            assert await seconds_until(is_found, 10) <= VISIBLE_S


async def test_what_an_admin_changes_at_one_gateway_holds_at_the_other(pair: Pair, upstream: ChangingUpstream) -> None:
    here, there = pair
    await register(here, "s0", upstream.url(0))
    await sync(here, "s0")
    tool = "s0__read_file_0"

    async def call(name: str) -> int:
        answer = await there.post("/api/v1/call", json={"tool": name, "arguments": {"file": "x"}})
        return answer.status_code

    assert await seconds_until(lambda: _is(call(tool), 200), 10) <= VISIBLE_S

    (await here.patch(f"/api/v1/tools/{tool}", json={"alias": "peruse"})).raise_for_status()
    assert await seconds_until(lambda: _is(call("peruse"), 200), 10) <= VISIBLE_S

    (await here.patch("/api/v1/servers/s0", json={"enabled": False})).raise_for_status()
    assert await seconds_until(lambda: _is(call(tool), 502), 10) <= VISIBLE_S

    (await here.delete("/api/v1/servers/s0")).raise_for_status()
    assert await seconds_until(lambda: _is(call(tool), 410), 10) <= VISIBLE_S


async def _is(coming: Awaitable[int], value: int) -> bool:
    return bool(await coming == value)


async def test_one_session_is_served_by_both_gateways_at_once_and_loses_no_change(
    pair: Pair, upstream: ChangingUpstream
) -> None:
    await register(pair[0], "s0", upstream.url(0))
    await sync(pair[0], "s0")

    async def is_found(http: httpx2.AsyncClient = pair[1]) -> bool:
        return "s0__read_file_0" in await found(http, "s0 read_file_0", 10)

    await seconds_until(is_found, 10)
    session = (await pair[0].post("/api/v1/sessions", json={})).json()["id"]

    async def search(number: int) -> set[str]:
        body = {"queries": [f"s0__read_file_{number}"], "k": 2, "session_id": session}
        answer = await pair[number % 2].post("/api/v1/search", json=body)
        answer.raise_for_status()
        return {candidate["tool_id"] for candidate in answer.json()["results"][0]["candidates"]}

    shown = set().union(*await asyncio.gather(*(search(number) for number in range(20))))
    memories = [(await http.get(f"/api/v1/sessions/{session}/memory")).json() for http in pair]
    assert {entry["tool_id"] for entry in memories[0]["entries"]} == shown
    assert memories[0]["entries"] == memories[1]["entries"]
    assert memories[0]["ledger"]["extra_turns"] == 20

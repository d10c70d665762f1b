"""R14: PostgreSQL is gone for a minute. Known tools are found and called, writes say so, and it is all back at once.

Twice: gone with a word (connections are reset), and without one (they stay open, and new ones are taken, and nothing
ever comes).
"""

from __future__ import annotations

import asyncio
import itertools
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx2
from sqlalchemy.engine import make_url

from benchmarks.report import Promise
from store.keyring import KEY_FILE, FileKeys
from store.store import Store
from tests.chaos.invariants import assert_converged
from tests.chaos.parts import (
    ChangingUpstream,
    api_of,
    changing_upstream,
    own_database,
    register,
    seconds_until,
    started,
    sync,
)
from tests.faults.parts import p99
from tests.faults.proxy import Fault, FaultProxy, fault_proxy

SERVERS, TOOLS = 10, 20
DOWN_S = 60.0
PAUSE_S = 0.1
READ_AHEAD_S = 6.0
"""Until what changed is read ahead again, like what has not changed: a database that leaves before that leaves tools
behind that nobody has read."""
CALLED = "s1__read_file_0"


async def run(*, full: bool) -> list[Promise]:
    async with a_gateway() as (http, proxy, upstream, store):
        opened = await http.post("/api/v1/search", json={"queries": ["read"], "new_session": True})
        session = opened.raise_for_status().json()["session_id"]
        await seconds_until(lambda: _calls(http), 30)
        await asyncio.sleep(READ_AHEAD_S)
        proxy.fault = Fault.RESET
        await proxy.drop_all()
        seen, writes, times = await live_through(http, session, DOWN_S * (3 if full else 1))
        await upstream.change([2, 3], 1)
        proxy.fault = Fault.PASS
        back = await seconds_until(lambda: _writes(http), 60)
        for number in (2, 3):
            await sync(http, f"s{number}")
        silence = await live_in_silence(http, proxy, session, DOWN_S / 2)
        found = await assert_converged(http, store)
    for what, count in sorted(seen.items()):
        print(f"  {what}: {count}")  # noqa: T201 - what is behind the numbers
    errors = sum(count for (_, status), count in seen.items() if status != 200)
    return [
        Promise("r14_requests_while_down", sum(seen.values()), 100, at_most=False),
        Promise("r14_errors_of_known_tools", errors, 0),
        Promise("r14_writes_refused_with_503", writes[503] / max(1, sum(writes.values())), 1.0, at_most=False),
        Promise("r14_search_and_call_p99", p99(times) * 1e3, 1000.0, "ms"),
        Promise("r14_back_after_recovery", back, 5.0, "s"),
        *silence,
        Promise("r14_divergences", len(found.faults), 0),
    ]


async def live_in_silence(http: httpx2.AsyncClient, proxy: FaultProxy, session: str, seconds: float) -> list[Promise]:
    """Who is answered slowly finds out: two seconds until it is asked whether anybody is there, two for that."""
    await asyncio.sleep(READ_AHEAD_S)
    proxy.fault = Fault.HALF_OPEN
    seen, writes, times = await live_through(http, session, seconds)
    proxy.fault = Fault.PASS
    back = await seconds_until(lambda: _writes(http), 60)
    for what, count in sorted(seen.items()):
        print(f"  in silence, {what}: {count}")  # noqa: T201 - what is behind the numbers
    errors = sum(count for (_, status), count in seen.items() if status != 200)
    return [
        Promise("r14_requests_in_silence", sum(seen.values()), 25, at_most=False),
        Promise("r14_errors_of_known_tools_in_silence", errors, 0),
        Promise(
            "r14_writes_refused_with_503_in_silence", writes[503] / max(1, sum(writes.values())), 1.0, at_most=False
        ),
        Promise("r14_search_and_call_max_in_silence", max(times), 10.0, "s"),
        Promise("r14_back_after_silence", back, 5.0, "s"),
    ]


@asynccontextmanager
async def a_gateway() -> AsyncIterator[tuple[httpx2.AsyncClient, FaultProxy, ChangingUpstream, Store]]:
    """A gateway that reaches its database through the proxy."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="toolcrib-chaos-")))
        url = make_url(await stack.enter_async_context(own_database()))
        proxy = await stack.enter_async_context(fault_proxy(url.port or 5432))
        upstream = await stack.enter_async_context(changing_upstream(SERVERS, TOOLS))
        store = await Store.open(url.render_as_string(hide_password=False), FileKeys(folder / KEY_FILE))
        stack.push_async_callback(store.close)
        through = url.set(host="127.0.0.1", port=proxy.port).render_as_string(hide_password=False)
        gateway = await started(
            stack,
            folder,
            database_url=through,
            poll_s="86400",
            log_level="ERROR",
            secrets_key_file=str(folder / KEY_FILE),
        )
        http = await stack.enter_async_context(api_of(gateway.url))
        for number in range(SERVERS):
            await register(http, f"s{number}", upstream.url(number))
            await sync(http, f"s{number}")
        yield http, proxy, upstream, store


async def live_through(
    http: httpx2.AsyncClient, session: str, seconds: float
) -> tuple[Counter[tuple[str, int]], Counter[int], list[float]]:
    """Requests by kind and status, writes by status, and how long the former took."""
    seen: Counter[tuple[str, int]] = Counter()
    writes: Counter[int] = Counter()
    times: list[float] = []
    began = time.perf_counter()
    for number in itertools.count():
        if time.perf_counter() - began > seconds:
            return seen, writes, times
        asked = {
            "search": ("/api/v1/search", {"queries": [f"read the old file {number}"]}),
            "search in a session": ("/api/v1/search", {"queries": [f"list {number}"], "session_id": session}),
            "search for a new session": ("/api/v1/search", {"queries": ["merge"], "new_session": True}),
            "call": ("/api/v1/call", {"tool": CALLED, "arguments": {"file": "x"}}),
            "call in a session": ("/api/v1/call", {"tool": CALLED, "arguments": {"file": "x"}, "session_id": session}),
        }
        for kind, (path, body) in asked.items():
            start = time.perf_counter()
            seen[kind, (await http.post(path, json=body)).status_code] += 1
            times.append(time.perf_counter() - start)
        if number % 10 == 0:
            body = {"name": f"new{number}", "transport": "streamable-http", "url": "http://127.0.0.1:9/mcp"}
            writes[(await http.post("/api/v1/servers", json=body)).status_code] += 1
        await asyncio.sleep(PAUSE_S)
    raise AssertionError


async def _calls(http: httpx2.AsyncClient) -> bool:
    answer = await http.post("/api/v1/call", json={"tool": CALLED, "arguments": {"file": "x"}})
    return answer.status_code == 200


async def _writes(http: httpx2.AsyncClient) -> bool:
    answer = await http.patch(f"/api/v1/tools/{CALLED}", json={"description": f"Again at {time.time()}."})
    return answer.status_code == 200

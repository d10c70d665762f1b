"""R22: the clock jumps an hour ahead, then an hour back, under a running gateway: nothing expires, no breaker sticks.

The gateway's clock is libfaketime's (Debian: faketime); where it is not installed, the recipe is left out.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import httpx2

from benchmarks.report import Promise
from tests.chaos.parts import api_of, changing_upstream, register, seconds_until, started, sync
from tests.faults.proxy import Fault, FaultProxy, fault_proxy

LIBRARIES = (
    Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"),
    Path("/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1"),
)
SESSIONS = 20
JUMPS = ("+3600", "-3600", "+0")
CALL = {"tool": "s0__read_file_0", "arguments": {"file": "x"}}


async def run(*, full: bool) -> list[Promise]:
    library = next((path for path in LIBRARIES if path.exists()), None)
    if library is None:
        print("  r22 is left out: libfaketime is not installed (Debian: faketime)")  # noqa: T201
        return []
    expired, closed = 0, 0.0
    async with a_gateway(library) as (http, proxy, clock):
        sessions = [await open_session(http) for _ in range(SESSIONS)]
        seen = await wall_clock(http)
        for jump in JUMPS * (5 if full else 1):
            proxy.fault = Fault.RESET
            await proxy.drop_all()
            await open_breaker(http)
            clock.write_text(jump)
            expired += sum([await is_gone(http, session) for session in sessions])
            proxy.fault = Fault.PASS
            closed = max(closed, await seconds_until(lambda: calls(http), 60, every_s=0.1))
            sessions[0] = await open_session(http)
        moved = abs(await wall_clock(http) - seen)
    return [
        Promise("r22_sessions_expired", expired, 0),
        Promise("r22_breaker_closed_after_recovery_max", closed, 10.0, "s"),
        Promise("r22_clock_is_back", moved, 600.0, "s"),
    ]


@asynccontextmanager
async def a_gateway(library: Path) -> AsyncIterator[tuple[httpx2.AsyncClient, FaultProxy, Path]]:
    """Its API, the proxy in front of its upstream, and the file that sets its clock."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="toolcrib-chaos-")))
        clock = folder / "clock"
        clock.write_text("+0")
        upstream = await stack.enter_async_context(changing_upstream(1, 20))
        proxy = await stack.enter_async_context(fault_proxy(upstream.port))
        with environment(
            LD_PRELOAD=str(library), FAKETIME_TIMESTAMP_FILE=str(clock), FAKETIME_NO_CACHE="1",
            FAKETIME_DONT_FAKE_MONOTONIC="1",
        ):  # fmt: skip
            gateway = await started(stack, folder / "data", session_ttl_s="1200", poll_s="86400", log_level="ERROR")
        http = await stack.enter_async_context(api_of(gateway.url))
        await register(http, "s0", upstream.url(0, through=proxy.port))
        await sync(http, "s0")
        yield http, proxy, clock


@contextmanager
def environment(**more: str) -> Iterator[None]:
    """For the processes started meanwhile."""
    before = dict(os.environ)
    os.environ.update(more)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


async def open_session(http: httpx2.AsyncClient) -> str:
    answer = await http.post("/api/v1/search", json={"queries": ["read"], "new_session": True})
    return str(answer.raise_for_status().json()["session_id"])


async def is_gone(http: httpx2.AsyncClient, session: str) -> bool:
    answer = await http.post("/api/v1/search", json={"queries": ["list"], "session_id": session})
    return answer.status_code != 200


async def open_breaker(http: httpx2.AsyncClient) -> None:
    for _ in range(8):
        await http.post("/api/v1/call", json=CALL)


async def calls(http: httpx2.AsyncClient) -> bool:
    return (await http.post("/api/v1/call", json=CALL)).status_code == 200


async def wall_clock(http: httpx2.AsyncClient) -> float:
    """When the gateway says that its server was verified, just now."""
    await sync(http, "s0")
    runs = (await http.get("/api/v1/sync/runs", params={"limit": 1})).json()["runs"]
    return float(runs[0]["started_at"])

"""What the recipes share: the changing upstream, databases of their own, gateways as processes, and clients of them."""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
import time
import urllib.request
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from tests.e2e.running import GatewayProcess, serving
from tests.store.databases import postgres_address, run_sql
from tests.upstreams.running import ROOT


@dataclass(frozen=True, slots=True)
class ChangingUpstream:
    """A running `tests.chaos.upstream`."""

    port: int
    servers: int

    def url(self, number: int, *, through: int | None = None) -> str:
        return f"http://127.0.0.1:{through or self.port}/{number}/mcp"

    async def change(self, servers: list[int], seed: int) -> None:
        await self._get(f"/change?servers={','.join(map(str, servers))}&seed={seed}")

    async def tools(self) -> dict[str, dict[str, str]]:
        """Server number -> tool name -> description."""
        found: dict[str, dict[str, str]] = await self._get("/tools")
        return found

    async def _get(self, path: str) -> Any:
        def read() -> Any:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}") as answer:
                return json.load(answer)

        return await asyncio.to_thread(read)


@asynccontextmanager
async def changing_upstream(servers: int, tools: int) -> AsyncIterator[ChangingUpstream]:
    """So many servers with so many tools each."""
    async with python_process("tests.chaos.upstream", str(servers), str(tools)) as port:
        yield ChangingUpstream(port, servers)


@asynccontextmanager
async def qdrant_peer() -> AsyncIterator[int]:
    """The port of a running `tests.chaos.qdrant_peer`."""
    async with python_process("tests.chaos.qdrant_peer") as port:
        yield port


@asynccontextmanager
async def python_process(module: str, *arguments: str) -> AsyncIterator[int]:
    """What it prints first: its port. Killed on exit."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", module, *arguments, stdout=PIPE, cwd=ROOT)
    assert process.stdout is not None
    try:
        yield int(await asyncio.wait_for(process.stdout.readline(), 30))
    finally:
        process.kill()
        await process.wait()


@asynccontextmanager
async def own_database() -> AsyncIterator[str]:
    """The URL of an empty PostgreSQL database, dropped afterwards."""
    server, name = postgres_address(), f"toolcrib_chaos_{secrets.token_hex(4)}"
    await run_sql(server, f"CREATE DATABASE {name}")
    try:
        yield server.set(database=name, drivername="postgresql").render_as_string(hide_password=False)
    finally:
        await run_sql(server, f"DROP DATABASE {name} WITH (FORCE)")


async def started(stack: AsyncExitStack, folder: Path, **settings: Any) -> GatewayProcess:
    """A gateway, ended with the stack. Neither holds up the loop, in which a proxy may run that it needs."""
    inner = ExitStack()
    gateway = await asyncio.to_thread(inner.enter_context, serving(folder, **settings))
    stack.push_async_callback(asyncio.to_thread, inner.close)
    return gateway


@asynccontextmanager
async def api_of(url: str, *, timeout_s: float = 60.0) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of one gateway's API."""
    async with httpx2.AsyncClient(base_url=url, timeout=timeout_s) as http:
        yield http


async def register(http: httpx2.AsyncClient, name: str, url: str) -> None:
    body = {"name": name, "transport": "streamable-http", "url": url}
    (await http.post("/api/v1/servers", json=body)).raise_for_status()


async def sync(http: httpx2.AsyncClient, name: str) -> dict[str, Any]:
    """The run; it must have succeeded."""
    run: dict[str, Any] = (await http.post(f"/api/v1/servers/{name}/sync")).raise_for_status().json()
    assert run["error"] is None, run
    return run


async def found(http: httpx2.AsyncClient, query: str, k: int = 5) -> list[str]:
    """Tool ids, best first."""
    answer = (await http.post("/api/v1/search", json={"queries": [query], "k": k})).raise_for_status().json()
    return [candidate["tool_id"] for candidate in answer["results"][0]["candidates"]]


async def seconds_until(holds: Callable[[], Awaitable[bool]], patience_s: float, every_s: float = 0.02) -> float:
    """Seconds until it holds; infinite when it did not in time."""
    began = time.perf_counter()
    while time.perf_counter() - began < patience_s:
        if await holds():
            return time.perf_counter() - began
        await asyncio.sleep(every_s)
    return float("inf")

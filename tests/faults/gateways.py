"""A real gateway in front of many counting servers, spoken to over its HTTP API."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from tests.e2e.running import GatewayProcess, serving


@dataclass(frozen=True, slots=True)
class Gateway:
    """A gateway process and a client of its API."""

    process: GatewayProcess
    http: httpx2.AsyncClient

    async def register(self, name: str, url: str, transport: str = "streamable-http") -> None:
        body = {"name": name, "transport": transport, "url": url}
        (await self.http.post("/api/v1/servers", json=body)).raise_for_status()
        run = (await self.http.post(f"/api/v1/servers/{name}/sync")).raise_for_status().json()
        assert run["error"] is None, run

    async def call(self, tool: str, **arguments: Any) -> httpx2.Response:
        return await self.http.post("/api/v1/call", json={"tool": tool, "arguments": arguments})

    async def search(self, query: str) -> httpx2.Response:
        return await self.http.post("/api/v1/search", json={"queries": [query]})


@asynccontextmanager
async def a_gateway() -> AsyncIterator[Gateway]:
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=64)
    with (
        tempfile.TemporaryDirectory(prefix="toolcrib-faults-") as folder,
        serving(Path(folder), log_level="ERROR") as process,
    ):
        async with httpx2.AsyncClient(base_url=process.url, timeout=60, limits=limits) as http:
            yield Gateway(process, http)

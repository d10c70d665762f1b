"""The market's process, started and ended."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx2

from benchmarks.finance.catalogue import SEED, FinanceServer
from domain.servers import UpstreamServer

ROOT = Path(__file__).resolve().parents[2]
_START_S = 60.0


@dataclass(frozen=True)
class Running:
    """A market that listens at `origin`, in the process `pid`."""

    origin: str
    pid: int
    servers: Sequence[FinanceServer]

    @cached_property
    def upstreams(self) -> list[UpstreamServer]:
        """Every server as the gateway registers it."""
        return [server.upstream(self.origin) for server in self.servers]

    async def operate(self, **wishes: Any) -> dict[str, Any]:
        """`change`, `remove`, `restore`: slugs; `announce`: whether those servers say so. See `Market.operate`."""
        async with httpx2.AsyncClient(timeout=60) as client:
            answer = await client.post(f"{self.origin}/control", json=wishes)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    async def listening(self, count: int) -> None:
        """Wait until so many subscriptions are open."""
        await self.operate(await_subscriptions=count)


@asynccontextmanager
async def market(servers: Sequence[FinanceServer], *, announcing: int = 0, seed: int = SEED) -> AsyncIterator[Running]:
    """Serve these servers, the first of the market of `seed`, in a process of their own."""
    module = ("-m", "benchmarks.finance", "serve")
    options = ("--servers", str(len(servers)), "--announcing", str(announcing), "--seed", str(seed))
    process = await asyncio.create_subprocess_exec(sys.executable, *module, *options, stdout=PIPE, cwd=ROOT)
    try:
        assert process.stdout is not None
        origin = (await asyncio.wait_for(process.stdout.readline(), _START_S)).decode().strip()
        yield Running(origin, process.pid, servers)
    finally:
        process.kill()
        await process.wait()

"""A Toolcrib with one server's tools, and a client of its HTTP API, both in this process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2

from domain.identity import LOCAL
from gateway.api.app import make_app
from gateway.settings import Settings
from gateway.wiring import Toolcrib, open_toolcrib
from tests.store.making import a_server, a_tool, adding


@asynccontextmanager
async def a_crib(folder: Path, names: Iterable[str], **settings: Any) -> AsyncIterator[Toolcrib]:
    """With tools of these names, indexed."""
    async with open_toolcrib(Settings(data=folder, **settings), follow=False) as opened:
        await opened.store.servers.add(a_server())
        tools = adding(*map(a_tool, names))
        await opened.store.catalogue.apply(LOCAL.tenant, "files", tools, expected_generation=0, at=1.0)
        await opened.indexer.drain()
        yield opened


@asynccontextmanager
async def asking(crib: Toolcrib, base: str = "http://127.0.0.1") -> AsyncIterator[httpx2.AsyncClient]:
    app = make_app(crib)
    transport = httpx2.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, base_url=base, trust_env=False) as client,
    ):
        yield client

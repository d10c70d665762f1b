"""A gateway in this process that notes what reaches its embedding model."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from unittest.mock import patch

import httpx2

from gateway.api.app import make_app
from gateway.settings import Settings
from gateway.wiring import open_toolcrib
from index.embedders.minilm import MiniLMEmbedder
from index.ports import Matrix


@asynccontextmanager
async def counting_gateway() -> AsyncIterator[tuple[httpx2.AsyncClient, list[str]]]:
    """A client of its API, and every text that its model was given. The model is cold: nothing warms it up."""
    seen: list[str] = []
    embed = MiniLMEmbedder.embed

    async def counted(self: MiniLMEmbedder, texts: Sequence[str]) -> Matrix:
        seen.extend(texts)
        return await embed(self, texts)

    with (
        tempfile.TemporaryDirectory(prefix="toolcrib-faults-") as folder,
        patch.object(MiniLMEmbedder, "embed", counted),
    ):
        async with open_toolcrib(Settings(data=Path(folder)), follow=False) as crib:
            app = make_app(crib)
            transport = httpx2.ASGITransport(app=app)
            async with (
                app.router.lifespan_context(app),
                httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8420", timeout=60) as http,
            ):
                yield http, seen

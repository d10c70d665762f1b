"""A gateway in this process, in front of the reference upstream, that waits half a second for a model."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from socket import socket
from typing import Any

from gateway.api_client import ApiClient
from gateway.runner import Running, run_gateway
from gateway.settings import Settings
from tests.upstreams.running import ROOT, stdio_command


@asynccontextmanager
async def impatient_gateway(data: Path, **settings: Any) -> AsyncIterator[tuple[Running, ApiClient]]:
    """Any setting may be given; the reference upstream is registered as `ref` unless it is already."""
    impatient = {"embedding_deadline_s": 0.5, "rerank_deadline_s": 0.5, "llm_deadline_s": 0.5}
    made = Settings(data=data, port=0, **(impatient | settings))
    async with run_gateway(made) as running, ApiClient(running.url) as api:
        if not (await api.get("/servers"))["servers"]:
            assert (await register(api, "ref"))["error"] is None
        yield running, api


async def register(api: ApiClient, name: str) -> dict[str, Any]:
    """The reference upstream under a name; its first sync."""
    new = {"name": name, "transport": "stdio", "command": list(stdio_command("reference")), "cwd": str(ROOT)}
    await api.post("/servers", {**new, "consent": True})
    run: dict[str, Any] = await api.post(f"/servers/{name}/sync")
    return run


@contextmanager
def nobody_listening() -> Iterator[str]:
    """An address where nobody listens."""
    with socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"

"""A whole gateway in this process, and servers beside it that change their tools at will."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from fastapi import FastAPI

from domain.identity import LOCAL
from gateway.api.app import make_app
from gateway.api_client import ApiClient
from gateway.mcp.backend_local import LocalBackend
from gateway.mcp.server import answer_call
from gateway.settings import Settings
from gateway.wiring import Toolcrib, open_toolcrib
from tests.upstreams.running import ROOT, stdio_command

Tool = dict[str, Any]


def a_tool(name: str, description: str = "", **more: Any) -> Tool:
    schema = {"type": "object", "properties": {"path": {"type": "string", "description": f"Path for {name}"}}}
    return {"name": name, "description": description or f"Does {name} with a file.", "inputSchema": schema, **more}


@dataclass(frozen=True, slots=True)
class Turncoats:
    """The gateway's API, its MCP surface, and a folder with the tools of each server."""

    crib: Toolcrib
    api: ApiClient
    backend: LocalBackend
    folder: Path
    app: FastAPI

    def offer(self, server: str, *tools: Tool) -> None:
        """What `server` lists from now on."""
        (self.folder / f"{server}.json").write_text(json.dumps(list(tools)))

    async def register(self, server: str, *tools: Tool, review: str = "accept") -> dict[str, Any]:
        """Register and sync; the answer is the run."""
        self.offer(server, *tools)
        command = list(stdio_command("turncoat", str(self.folder / f"{server}.json")))
        new = {"name": server, "transport": "stdio", "command": command, "cwd": str(ROOT), "review": review}
        await self.api.post("/servers", {**new, "consent": True})
        return await self.sync(server)

    async def sync(self, server: str, *, full: bool = False) -> dict[str, Any]:
        run: dict[str, Any] = await self.api.post(f"/servers/{server}/sync?full={str(full).lower()}")
        return run

    async def reviews(self, server: str | None = None, status: str = "waiting") -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.api.get("/reviews", server=server, status=status))["reviews"]
        return found

    async def decide(self, review: dict[str, Any], decision: str) -> dict[str, Any]:
        decided: dict[str, Any] = await self.api.post(f"/reviews/{review['id']}", {"decision": decision})
        return decided

    async def found(self, query: str, session: str | None = None) -> dict[str, Any]:
        """Tool id -> definition, as a search shows them."""
        body = {"queries": [query], "k": 20, "session_id": session}
        answer = await self.api.post("/search", body)
        return {found["tool_id"]: found["definition"] for found in answer["results"][0]["candidates"]}

    async def mcp(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The result of a `tools/call` at /mcp."""
        return await answer_call(self.backend, tool, arguments)


@asynccontextmanager
async def turncoats(folder: Path, **settings: Any) -> AsyncIterator[Turncoats]:
    (folder / "data").mkdir(mode=0o700, exist_ok=True)
    made = Settings(data=folder / "data", port=0, **settings)
    async with open_toolcrib(made, follow=False) as crib:
        app = make_app(crib)
        async with ApiClient("http://127.0.0.1", httpx2.ASGITransport(app=app)) as api:
            yield Turncoats(crib, api, LocalBackend(crib, LOCAL), folder, app)

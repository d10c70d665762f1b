"""The MCP surface's backend over another process's HTTP API: `toolcrib stdio` beside a running gateway."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.api_client import ApiClient, path
from gateway.mcp.meta_tools import Behind
from gateway.plan_body import PlanBody


class RemoteBackend:
    """Implements `gateway.mcp.backend.Backend` on `/api/v1`."""

    def __init__(self, api: ApiClient, *, has_plans: bool = False) -> None:
        self._api = api
        self.has_plans = has_plans

    async def behind(self) -> Behind:
        servers = (await self._api.get("/servers"))["servers"]
        return Behind(
            tuple(sorted(server["server"] for server in servers if server["tools"])),
            sum(server["tools"] for server in servers),
        )

    async def catalogue(self) -> Sequence[Mapping[str, Any]]:
        tools: Sequence[Mapping[str, Any]] = (await self._api.get("/listing"))["tools"]
        return tools

    async def search(self, queries: Sequence[str], session: str | None) -> Mapping[str, Any]:
        body = {"queries": list(queries), "session_id": session, "new_session": session is None}
        answer: Mapping[str, Any] = await self._api.post("/search", body)
        return answer

    async def call(
        self, name: str, arguments: Mapping[str, Any], session: str | None, client: str | None = None
    ) -> Mapping[str, Any]:
        body = {"tool": name, "arguments": arguments, "session_id": session, "client": client, "inline": False}
        answer: Mapping[str, Any] = await self._api.post("/call", body)
        return answer

    async def plan(self, body: PlanBody) -> Mapping[str, Any]:
        answer: Mapping[str, Any] = await self._api.post("/plan", body.model_dump())
        return answer

    async def read_result(self, handle: str, page: int, session: str | None) -> Mapping[str, Any]:  # noqa: ARG002 - the
        # handle alone tells; a session's stays out of the query
        answer: Mapping[str, Any] = await self._api.get(path("results", handle), page=page)
        return answer

    async def remove(self, names: Sequence[str], session: str) -> Mapping[str, Any]:
        change: Mapping[str, Any] = await self._api.post(path("sessions", session, "memory"), {"remove": list(names)})
        return change

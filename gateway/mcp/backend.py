"""The port between the MCP surface and Toolcrib: in this process (`local`), or another one's HTTP API (`remote`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from gateway.mcp.meta_tools import Behind
from gateway.plan_body import PlanBody


class Backend(Protocol):
    """What the MCP surface asks for. Every method raises the ToolcribError tree."""

    async def behind(self) -> Behind: ...

    async def catalogue(self) -> Sequence[Mapping[str, Any]]:
        """Definitions that are listed beside the meta-tools: in passthrough the whole catalogue, else none."""
        ...

    async def search(self, queries: Sequence[str], session: str | None) -> Mapping[str, Any]:
        """The JSON of POST /api/v1/search; a session is opened when none is given."""
        ...

    async def call(
        self, name: str, arguments: Mapping[str, Any], session: str | None, client: str | None = None
    ) -> Mapping[str, Any]:
        """The JSON of POST /api/v1/call, with the first page of a result that is too large for a context.

        `client` is the connection of a client of the handshake era: its calls meet the same state at a server.
        """
        ...

    @property
    def has_plans(self) -> bool:
        """Whether the operator lists `run_plan`."""
        ...

    async def plan(self, body: PlanBody) -> Mapping[str, Any]:
        """The JSON of POST /api/v1/plan."""
        ...

    async def read_result(self, handle: str, page: int, session: str | None) -> Mapping[str, Any]:
        """The JSON of GET /api/v1/results/{handle}."""
        ...

    async def remove(self, names: Sequence[str], session: str) -> Mapping[str, Any]:
        """The JSON of POST /api/v1/sessions/{id}/memory."""
        ...

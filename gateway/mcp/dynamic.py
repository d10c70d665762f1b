"""`/mcp/dynamic`: for clients of the handshake era that follow `notifications/tools/list_changed`, a `tools/list` per
connection: Toolcrib's three, then what the connection's session holds, natively.

The session's handle is kept with the connection, so that its model need not pass it on; one that is given wins, and is
how a connection that was lost is taken up again. Since 2026-07-28 a listing must be the same for every session of one
authorization: clients of that revision get that of `/mcp` here too.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import NotificationOptions, Server
from mcp.server.models import InitializationOptions
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from domain.errors import SessionNotFound
from gateway.mcp.backend import Backend
from gateway.mcp.meta_tools import META_TOOLS
from gateway.mcp.server import answer_call, beside, listed, make_mcp_server
from gateway.plan_body import PlanBody

Held = Callable[[str], Awaitable[Sequence[Mapping[str, Any]]]]
"""A session's handle -> the definitions of what it holds, in its order. Raises SessionNotFound."""

Opened = Callable[[], Awaitable[str | None]]
"""Opens a session that holds something from its beginning; None where sessions begin empty."""

_HANDLE = "toolcrib/session"
_CHANGES = ("added", "removed", "evicted")


class DynamicServer(Server[Any]):
    """Says at the handshake that its listing changes."""

    def create_initialization_options(
        self,
        notification_options: NotificationOptions | None = None,
        experimental_capabilities: dict[str, dict[str, Any]] | None = None,
        extensions: dict[str, dict[str, Any]] | None = None,
    ) -> InitializationOptions:
        options = notification_options or NotificationOptions(tools_changed=True)
        return super().create_initialization_options(options, experimental_capabilities, extensions)


def make_dynamic_server(backend: Backend, held: Held, opened: Opened) -> Server[Any]:
    """Like `make_mcp_server` for one backend, with a listing and a session per connection."""

    async def list_tools(
        ctx: ServerRequestContext[Any], _params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult | dict[str, Any]:
        own = await listed(backend)
        if ctx.protocol_version in MODERN_PROTOCOL_VERSIONS:
            tools = types.ListToolsResult(tools=[types.Tool.model_validate(tool) for tool in own])
            return beside(tools, await backend.catalogue())
        # As JSON: what servers wrote is passed on as it was, not as the SDK's model of it.
        state = _state(ctx)
        if _HANDLE not in state and (whole := await opened()) is not None:
            state[_HANDLE] = whole
        return {"tools": [*own, *await _held_by(ctx, held)]}

    async def call_tool(ctx: ServerRequestContext[Any], params: types.CallToolRequestParams) -> dict[str, Any]:
        arguments = params.arguments or {}
        if ctx.protocol_version in MODERN_PROTOCOL_VERSIONS:
            return await answer_call(backend, params.name, arguments)
        state = _state(ctx)
        kept = _OneConnection(backend, state)
        if params.name in META_TOOLS and not arguments.get("session") and state.get(_HANDLE):
            arguments = {**arguments, "session": state[_HANDLE]}
        answer = await answer_call(kept, params.name, arguments, ctx.session._connection.session_id)  # noqa: SLF001
        if kept.changed:
            await ctx.session.send_tool_list_changed()
        return answer

    server = make_mcp_server(lambda: backend, None, DynamicServer)
    server.add_request_handler("tools/list", types.PaginatedRequestParams, list_tools)
    server.add_request_handler("tools/call", types.CallToolRequestParams, call_tool)
    return server


async def _held_by(ctx: ServerRequestContext[Any], held: Held) -> Sequence[Mapping[str, Any]]:
    handle = _state(ctx).get(_HANDLE)
    if handle is None:
        return ()
    try:
        return await held(handle)
    except SessionNotFound:  # expired or forgotten: the next search opens another
        _state(ctx).pop(_HANDLE, None)
        return ()


def _state(ctx: ServerRequestContext[Any]) -> dict[str, Any]:
    """What is kept with this connection. The SDK's session has no public way to it."""
    return ctx.session._connection.state  # noqa: SLF001


class _OneConnection:
    """Implements `gateway.mcp.backend.Backend` for one call: keeps the session's handle, and sees what changed."""

    def __init__(self, inner: Backend, state: dict[str, Any]) -> None:
        self._inner = inner
        self._state = state
        self.changed = False

    async def behind(self) -> Any:
        return await self._inner.behind()

    async def catalogue(self) -> Sequence[Mapping[str, Any]]:
        return await self._inner.catalogue()

    async def search(self, queries: Sequence[str], session: str | None) -> Mapping[str, Any]:
        try:
            answer = await self._inner.search(queries, session)
        except SessionNotFound:
            if session is None or session != self._state.get(_HANDLE):
                raise
            answer = await self._inner.search(queries, None)  # the connection's own had expired
        self._see(answer["session_id"], answer["memory"])
        return answer

    async def call(
        self, name: str, arguments: Mapping[str, Any], session: str | None, client: str | None = None
    ) -> Mapping[str, Any]:
        handle = session or self._state.get(_HANDLE)
        try:
            answer = await self._inner.call(name, arguments, handle, client)
        except SessionNotFound:
            if session is not None and session != self._state.get(_HANDLE):
                raise
            self._state.pop(_HANDLE, None)
            answer = await self._inner.call(name, arguments, None, client)
        if handle is not None and answer.get("memory") is not None:
            self._see(handle, answer["memory"])
        return answer

    @property
    def has_plans(self) -> bool:
        return self._inner.has_plans

    async def plan(self, body: PlanBody) -> Mapping[str, Any]:
        return await self._inner.plan(body)

    async def read_result(self, handle: str, page: int, session: str | None) -> Mapping[str, Any]:
        return await self._inner.read_result(handle, page, session)

    async def remove(self, names: Sequence[str], session: str) -> Mapping[str, Any]:
        change = await self._inner.remove(names, session)
        self._see(session, change)
        return change

    def _see(self, handle: str, memory: Mapping[str, Any]) -> None:
        taken_up = self._state.get(_HANDLE) != handle
        self._state[_HANDLE] = handle
        self.changed = self.changed or taken_up or any(memory[kind] for kind in _CHANGES)

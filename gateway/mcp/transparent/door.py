"""The HTTP side of one transparent server: the SDK's transports in both eras, our relay where its handlers would be.

The SDK decides about headers, sessions and streams. Its handlers, and with them its models, are never reached: a
middleware answers everything with the JSON that came from the upstream.
"""

from __future__ import annotations

from typing import Any

from mcp import MCPError
from mcp.server.auth.middleware.bearer_auth import AuthorizationContext
from mcp.server.context import CallNext, HandlerResult
from mcp.server.lowlevel import Server
from mcp.server.streamable_http import StreamableHTTPServerTransport
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp_types import INTERNAL_ERROR, INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND, PaginatedRequestParams
from starlette.types import Receive, Scope, Send

from domain.errors import InvalidInput, Overloaded, ToolcribError
from domain.identity import Principal
from gateway.mcp.plain_headers import without_blanks
from gateway.mcp.transparent.client import Client, Context
from gateway.mcp.transparent.events import SessionEvents
from gateway.mcp.transparent.handshake_client import HandshakeSession
from gateway.mcp.transparent.modern_client import ModernClients, known_to, unknown
from servers.relay.connection import LISTEN
from servers.relay.relays import Relays

OVERLOADED = -32010
"""Try again later; in the band that the specification leaves to implementations (docs/adr/0012)."""

_CODES: dict[type[ToolcribError], int] = {InvalidInput: INVALID_PARAMS, Overloaded: OVERLOADED}
_SESSION = "toolcrib"
_RETRY_MS = 1000
_MOST_SESSIONS = 256


class _Manager(StreamableHTTPSessionManager):
    """Every session with an event store of its own."""

    def _admit_session(self, requestor: AuthorizationContext | None) -> StreamableHTTPServerTransport | None:
        transport = super()._admit_session(requestor)
        if transport is not None:
            transport._event_store = SessionEvents()  # noqa: SLF001 - the SDK has one store for all sessions
        return transport


class Door:
    """One server's address. `manager.run()` has to be entered before requests come."""

    def __init__(self, relays: Relays, principal: Principal) -> None:
        self.relays = relays
        self._modern = ModernClients(relays, principal)
        self._server: Server[Any] = Server(relays.server.slug)
        # Never reached; registered so that the SDK checks mirrored headers against the upstream's listing.
        self._server.add_request_handler("tools/list", PaginatedRequestParams, _unreached)
        self._server.middleware.append(self._relay)
        self.manager = _Manager(
            self._server, retry_interval=_RETRY_MS, max_sessions=_MOST_SESSIONS, event_store=SessionEvents()
        )

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._server.get_tool_input_schema = self.relays.schemas.get if self.relays.listed else None
        await self.manager.handle_request(without_blanks(scope), receive, send)

    async def close(self) -> None:
        self._modern.close()
        await self.relays.close()

    async def _relay(self, ctx: Context, call_next: CallNext) -> HandlerResult:
        client = Client(ctx)
        session: HandshakeSession | None = client.connection.state.get(_SESSION)
        try:
            if ctx.request_id is None:
                if session is not None:
                    await session.pass_on(client)
                return await call_next(ctx) if client.method == "notifications/initialized" else None
            return await self._serve(client, session)
        except ToolcribError as error:
            raise rpc_error(error) from error

    async def _serve(self, client: Client, session: HandshakeSession | None) -> dict[str, Any]:
        if client.method.startswith("tasks/"):
            raise MCPError(METHOD_NOT_FOUND, "Tasks are not offered here; call the tool without a task", client.method)
        if not known_to(client.method, client.version):
            raise unknown(client.method)
        if client.modern:
            if client.method == LISTEN:
                return await self._modern.serve(client)
            async with self.relays.bulkhead.place():
                return await self._modern.serve(client)
        if session is not None:
            return await session.serve(client)
        if client.method == "ping":
            return {}
        if client.method != "initialize":
            raise MCPError(INVALID_REQUEST, "The session begins with `initialize`")
        session, result = await HandshakeSession.begin(self.relays, client)
        client.connection.state[_SESSION] = session
        client.on_close(session.close)
        return result


def rpc_error(error: ToolcribError) -> MCPError:
    """Our own failure, between the server's own answers: its class is in the data, for whoever is not a person."""
    data: dict[str, Any] = {"code": error.code}
    if error.retry_after_s is not None:
        data["retry_after_s"] = error.retry_after_s
    code = next((code for kind, code in _CODES.items() if isinstance(error, kind)), INTERNAL_ERROR)
    return MCPError(code, error.message, data)


async def _unreached(_context: Context, _params: object) -> dict[str, Any]:
    raise AssertionError("the relay answers before any handler")

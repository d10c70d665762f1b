"""The market as real MCP servers: one process, one ASGI application, an endpoint for each server.

    python -m benchmarks.finance serve [--servers 5000] [--announcing 100] [--port 0]

Every endpoint `/SLUG/mcp` speaks the current revision and the handshake era through the official SDK: listing, calling,
and for the first `announcing` servers change notices. Beside them `POST /control` is the market's operator: it has
servers change or lose their tool, and announce it or not.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import mcp_types as types
import uvicorn
from mcp import MCPError
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import NotificationOptions, Server
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ToolsListChanged
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from benchmarks.finance import exchange
from benchmarks.finance.catalogue import FinanceServer

Context = ServerRequestContext[Any, Request]


class Market:
    """What every server lists now. `editions`: how often a tool was changed."""

    def __init__(self, servers: Sequence[FinanceServer], announcing: int) -> None:
        self._servers = {server.slug: server for server in servers}
        self._buses = {server.slug: InMemorySubscriptionBus() for server in servers[:announcing]}
        self._listening = {slug: ListenHandler(bus) for slug, bus in self._buses.items()}
        self._exchange = exchange.Exchange(servers)
        self._editions: Counter[str] = Counter()
        self._removed: set[str] = set()
        self._subscriptions = 0
        self._subscribed = asyncio.Condition()

    async def list_tools(self, context: Context, params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        if _slug(context) == exchange.SLUG:
            return self._exchange.page(params.cursor if params is not None else None)
        server = self._server(context)
        if server.slug in self._removed:
            return types.ListToolsResult(tools=[])
        return types.ListToolsResult(tools=[types.Tool.model_validate(server.tool(self._editions[server.slug]))])

    async def call_tool(self, context: Context, params: types.CallToolRequestParams) -> types.CallToolResult:
        server = self._server(context)
        if params.name != server.tool_name or server.slug in self._removed:
            raise MCPError(types.INVALID_PARAMS, f"Unknown tool: {params.name}")
        try:
            value = server.value((params.arguments or {}).get("year"))
        except KeyError as error:
            return types.CallToolResult(content=[types.TextContent(text=f"No figures for {error}.")], is_error=True)
        return types.CallToolResult(content=[types.TextContent(text=json.dumps(value))], structured_content=value)

    async def listen(
        self, context: Context, params: types.SubscriptionsListenRequestParams
    ) -> types.SubscriptionsListenResult:
        handler = self._listening.get(self._server(context).slug)
        if handler is None:
            raise MCPError(types.METHOD_NOT_FOUND, "This server announces nothing.")
        async with self._subscribed:
            self._subscriptions += 1
            self._subscribed.notify_all()
        try:
            return await handler(context, params)
        finally:
            self._subscriptions -= 1

    async def operate(self, request: Request) -> Response:
        """`{"change": [slug], "remove": [slug], "restore": [slug], "announce": bool}`, done when it is answered, which
        is once `await_subscriptions` are open. `"exchange": true` changes all tools of the exchange.
        """
        wishes: Mapping[str, Any] = await request.json()
        async with self._subscribed:
            await self._subscribed.wait_for(lambda: self._subscriptions >= wishes.get("await_subscriptions", 0))
        self._exchange.edition += bool(wishes.get("exchange"))
        changed = wishes.get("change", [])
        self._editions.update(changed)
        self._removed |= set(wishes.get("remove", []))
        self._removed -= set(wishes.get("restore", []))
        if wishes.get("announce"):
            for slug in dict.fromkeys([*changed, *wishes.get("remove", []), *wishes.get("restore", [])]):
                await self._buses[slug].publish(ToolsListChanged())
        return JSONResponse({"editions": {slug: self._editions[slug] for slug in changed}})

    def _server(self, context: Context) -> FinanceServer:
        slug = _slug(context)
        if slug not in self._servers:
            raise MCPError(types.INVALID_REQUEST, f"No server is called {slug}.")
        return self._servers[slug]


def _slug(context: Context) -> str:
    assert context.request is not None
    return str(context.request.scope["path"]).split("/")[1]


def build(market: Market, *, announcing: bool) -> Starlette:
    """One SDK server behind every path: what it lists and answers depends on the path alone."""
    server: Server[Any] = Server(
        "finance",
        version="1.0.0",
        on_list_tools=market.list_tools,
        on_call_tool=market.call_tool,
        on_subscriptions_listen=market.listen if announcing else None,
    )
    if announcing:
        capabilities = server.get_capabilities
        changes = NotificationOptions(tools_changed=True)
        server.get_capabilities = lambda *_a, **_k: capabilities(changes, {})  # type: ignore[method-assign]
    return server.streamable_http_app(
        host="127.0.0.1",
        json_response=True,
        stateless_http=True,
        streamable_http_path="/{slug}/mcp",
        custom_starlette_routes=[Route("/control", market.operate, methods=["POST"])],
    )


def serve(servers: Sequence[FinanceServer], *, announcing: int = 0, port: int = 0) -> None:
    """Print the origin when it listens, and serve until ended."""
    listening = socket.create_server(("127.0.0.1", port), backlog=4096)
    print(f"http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
    app = build(Market(servers, announcing), announcing=announcing > 0)
    config = uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=0, backlog=4096)
    uvicorn.Server(config).run(sockets=[listening])

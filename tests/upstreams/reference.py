"""A well-behaved MCP server for tests, on every transport and in both eras.

    python -m tests.upstreams.reference --transport stdio|streamable-http|sse [--port 0] [--legacy] [--json]

Over HTTP it prints its URL on the first line of stdout once it listens.
"""

# ruff: noqa: T201 - what a server prints is the point

from __future__ import annotations

import argparse
import asyncio
import socket
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import anyio
import mcp_types as types
import uvicorn
from mcp import MCPError
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import NotificationOptions, Server
from mcp.server.runner import serve_loop
from mcp.server.sse import SseServerTransport
from mcp.server.stdio import stdio_server
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ToolsListChanged
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

PAGE = 2
INSTRUCTIONS = "A server for tests."

RICH_TOOL: dict[str, Any] = {
    "name": "rich",
    "title": "Rich",
    "description": "A tool with everything a tool may carry.",
    "inputSchema": {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$anchor": "root",
        "type": "object",
        "$defs": {"unit": {"$anchor": "unit", "enum": ["mm", "inch"]}},
        "properties": {"unit": {"$ref": "#/$defs/unit", "x-order": 1, "description": "Unit of length"}},
        "if": {"properties": {"unit": {"const": "mm"}}},
        "then": {"minProperties": 1},
        "x-vendor": {"nested": [1, 2.5, None, True]},
    },
    "outputSchema": {"type": "object", "properties": {"value": {"type": "number"}}, "x-kept": "yes"},
    "annotations": {"readOnlyHint": True, "title": "Annotated"},
    "icons": [{"src": "data:image/png;base64,AAAA", "mimeType": "image/png", "sizes": ["16x16"]}],
    "_meta": {"com.example/origin": {"deep": ["kept"]}},
}


def _plain(name: str, description: str, **properties: dict[str, Any]) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    return {"name": name, "description": description, "inputSchema": schema}


LABEL: dict[str, dict[str, Any]] = {"label": {"type": "string"}}

TOOLS: list[dict[str, Any]] = [
    _plain("echo", "Give the text back.", text={"type": "string"}),
    _plain("add", "Add two numbers.", a={"type": "number"}, b={"type": "number"}),
    _plain("fail", "Answer that it failed."),
    _plain("slow", "Answer after so many seconds.", seconds={"type": "number"}, label={"type": "string"}),
    _plain("big", "Answer with so many bytes.", bytes={"type": "integer"}),
    _plain("counter", "Count how often this tool was called."),
    _plain("running", "Wait until so many `slow` calls of a label are under way.", **LABEL, count={"type": "integer"}),
    _plain("was_cancelled", "Wait until a `slow` call of a label was cancelled, then say how many were.", **LABEL),
    _plain("listening", "How many subscriptions are open."),
    _plain("own_counter", "Count how often this tool was called in this session."),
    _plain("deletes", "How many sessions were ended by their client."),
    _plain("structured", "Answer with structured content.", city={"type": "string"}),
    _plain("environment", "The names and values of the server's environment."),
    _plain("set_extra", "Add or remove the tool `extra`, and announce it.", present={"type": "boolean"}),
    _plain("regional", "Answer from a region.", region={"type": "string", "x-mcp-header": "Region"}),
    RICH_TOOL,
]
EXTRA = _plain("extra", "A tool that comes and goes.")


@dataclass
class Reference:
    """The server's state; one per process."""

    bus: InMemorySubscriptionBus = field(default_factory=InMemorySubscriptionBus)
    extra: bool = False
    count: int = 0
    listens: int = 0
    cancelled: Counter[str] = field(default_factory=Counter)
    running: Counter[str] = field(default_factory=Counter)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def list_tools(
        self, _context: ServerRequestContext[Any], params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        start = int(params.cursor) if params is not None and params.cursor else 0
        tools = [*TOOLS, *([EXTRA] if self.extra else [])]
        page = [types.Tool.model_validate(tool) for tool in tools[start : start + PAGE]]
        more = str(start + PAGE) if start + PAGE < len(tools) else None
        return types.ListToolsResult(tools=page, next_cursor=more)

    async def call_tool(
        self, context: ServerRequestContext[Any], params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        handler: Callable[..., Awaitable[types.CallToolResult]] | None = getattr(self, f"tool_{params.name}", None)
        if handler is None:
            raise MCPError(types.INVALID_PARAMS, f"Unknown tool: {params.name}", {"tool": params.name})
        return await handler(context, **(params.arguments or {}))

    async def tool_echo(self, _context: object, text: str) -> types.CallToolResult:
        meta = {"com.example/echo": {"of": [text, None]}}
        return types.CallToolResult(content=[types.TextContent(text=text)], _meta=meta)

    async def tool_add(self, _context: object, a: float, b: float) -> types.CallToolResult:
        return _text(str(a + b))

    async def tool_fail(self, _context: object) -> types.CallToolResult:
        return types.CallToolResult(content=[types.TextContent(text="it failed")], is_error=True)

    async def tool_slow(self, _context: object, seconds: float, label: str = "") -> types.CallToolResult:
        self.running[label] += 1
        await self._notify()
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            self.cancelled[label] += 1
            raise
        finally:
            self.running[label] -= 1
            with anyio.CancelScope(shield=True):
                await self._notify()
        return _text("awake")

    async def tool_running(self, _context: object, label: str, count: int) -> types.CallToolResult:
        async with self.changed:
            await self.changed.wait_for(lambda: self.running[label] >= count)
        return _text(str(count))

    async def tool_was_cancelled(self, _context: object, label: str) -> types.CallToolResult:
        async with self.changed:
            await self.changed.wait_for(lambda: self.cancelled[label] > 0)
        return _text(str(self.cancelled[label]))

    async def _notify(self) -> None:
        async with self.changed:
            self.changed.notify_all()

    async def tool_big(self, _context: object, bytes: int) -> types.CallToolResult:  # noqa: A002 - the argument's name
        return _text("x" * bytes)

    async def tool_counter(self, _context: object) -> types.CallToolResult:
        self.count += 1
        return _text(str(self.count))

    async def tool_own_counter(self, context: ServerRequestContext[Any]) -> types.CallToolResult:
        state = context.session._connection.state
        state["count"] = state.get("count", 0) + 1
        return _text(str(state["count"]))

    async def listen(self, context: ServerRequestContext[Any], params: Any) -> Any:
        self.listens += 1
        try:
            return await ListenHandler(self.bus)(context, params)
        finally:
            self.listens -= 1

    async def tool_listening(self, _context: object) -> types.CallToolResult:
        return _text(str(self.listens))

    async def tool_deletes(self, _context: object) -> types.CallToolResult:
        return _text(str(HttpDoor.deletes))

    async def tool_structured(self, _context: object, city: str) -> types.CallToolResult:
        weather = {"city": city, "temperature": 21.5, "unknown": [None, {"x": 1}]}
        return types.CallToolResult(content=[types.TextContent(text=city)], structured_content=weather)

    async def tool_environment(self, _context: object) -> types.CallToolResult:
        import os  # noqa: PLC0415 - only this tool looks at it

        return types.CallToolResult(content=[], structured_content=dict(os.environ))

    async def tool_set_extra(self, context: ServerRequestContext[Any], present: bool) -> types.CallToolResult:  # noqa: FBT001
        self.extra = present
        await self.bus.publish(ToolsListChanged())
        await context.session.send_tool_list_changed()
        return _text("done")

    async def tool_regional(self, _context: object, region: str) -> types.CallToolResult:
        return _text(region)

    async def tool_rich(self, _context: object, unit: str = "mm") -> types.CallToolResult:
        return types.CallToolResult(content=[types.TextContent(text=unit)], structured_content={"value": 1})


def _text(text: str) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(text=text)])


def build(reference: Reference) -> Server[Any]:
    server: Server[Any] = Server(
        "reference",
        version="1.2.3",
        instructions=INSTRUCTIONS,
        on_list_tools=reference.list_tools,
        on_call_tool=reference.call_tool,
        on_subscriptions_listen=reference.listen,
        get_tool_input_schema={tool["name"]: tool["inputSchema"] for tool in TOOLS}.get,
    )
    original = server.create_initialization_options
    changes = NotificationOptions(tools_changed=True)
    server.create_initialization_options = lambda *_a, **_k: original(changes)  # type: ignore[method-assign]
    capabilities = server.get_capabilities
    server.get_capabilities = lambda *_a, **_k: capabilities(changes, {})  # type: ignore[method-assign]
    return server


class HttpDoor:
    """Counts ended sessions; with `legacy` it refuses the current revision, as servers written before it do."""

    deletes = 0

    def __init__(self, app: ASGIApp, *, legacy: bool) -> None:
        self._app = app
        self._legacy = legacy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope.get("headers", []))
        HttpDoor.deletes += scope.get("method") == "DELETE"
        if self._legacy and headers.get(b"mcp-protocol-version", b"").decode() in MODERN_PROTOCOL_VERSIONS:
            await PlainTextResponse("Bad Request: Unsupported protocol version", 400)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def sse_app(server: Server[Any], *, legacy: bool) -> Starlette:
    transport = SseServerTransport("/messages/")

    async def connect(request: Request) -> Response:
        async with transport.connect_sse(request.scope, request.receive, request._send) as (read, write):
            await serve_streams(server, read, write, legacy=legacy)
        return Response()

    return Starlette(
        routes=[Route("/sse", connect, methods=["GET"]), Mount("/messages/", app=transport.handle_post_message)]
    )


def serve_http(
    server: Server[Any], transport: str, port: int, *, legacy: bool, plain: bool = False, path: str = "mcp"
) -> None:
    streamable: ASGIApp = server.streamable_http_app(
        host="127.0.0.1", json_response=plain, streamable_http_path=f"/{path}"
    )
    app = sse_app(server, legacy=legacy) if transport == "sse" else HttpDoor(streamable, legacy=legacy)
    listening = socket.create_server(("127.0.0.1", port))
    path = "sse" if transport == "sse" else path
    print(f"http://127.0.0.1:{listening.getsockname()[1]}/{path}", flush=True)
    config = uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=0)
    uvicorn.Server(config).run(sockets=[listening])


async def serve_stdio(server: Server[Any], *, legacy: bool) -> None:
    async with stdio_server() as (read, write):
        await serve_streams(server, read, write, legacy=legacy)


async def serve_streams(server: Server[Any], read: Any, write: Any, *, legacy: bool) -> None:
    options = server.create_initialization_options()
    if legacy:
        await serve_loop(server, read, write, lifespan_state={}, init_options=options)
    else:
        await server.run(read, write, options)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--transport", choices=["stdio", "streamable-http", "sse"], default="stdio")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--legacy", action="store_true")
    parser.add_argument("--json", action="store_true", help="answer with JSON, not with an event stream")
    parser.add_argument("--path", default="mcp", help="of the streamable HTTP endpoint")
    options = parser.parse_args()
    server = build(Reference())
    if options.transport == "stdio":
        asyncio.run(serve_stdio(server, legacy=options.legacy))
    else:
        serve_http(
            server, options.transport, options.port, legacy=options.legacy, plain=options.json, path=options.path
        )


if __name__ == "__main__":
    main()

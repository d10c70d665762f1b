"""A reference upstream that offers everything the conformance suite asks for, on every transport.

    python -m tests.conformance.upstream --transport stdio|streamable-http|sse [--port 0] [--era both|modern|handshake]

Over HTTP it prints its URL on the first line of stdout once it listens.
"""

# ruff: noqa: T201 - what a server prints is the point

from __future__ import annotations

import argparse
import asyncio
import json
import socket
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import mcp_types as types
import uvicorn
from mcp import MCPError
from mcp.server.caching import CacheHint
from mcp.server.context import CallNext, HandlerResult
from mcp.server.lowlevel import NotificationOptions, Server
from mcp.server.streamable_http import EventCallback, EventMessage, EventStore
from mcp.server.subscriptions import ListenHandler
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from starlette.types import ASGIApp

from tests.conformance import fixtures as fx
from tests.conformance.tools import Context, Tools, answers_of, modern, require
from tests.upstreams.reference import HttpDoor, serve_stdio, sse_app

Handler = Callable[[Context, Any], Awaitable[dict[str, Any]]]
NOT_FOUND_BEFORE = -32002
INSTRUCTIONS = "A server that offers everything."


class Events(EventStore):
    """Every event of every stream, for as long as the test runs."""

    def __init__(self) -> None:
        self._streams: dict[str, list[tuple[int, types.JSONRPCMessage | None]]] = defaultdict(list)
        self._owner: dict[str, str] = {}
        self._last = 0

    async def store_event(self, stream_id: str, message: types.JSONRPCMessage | None) -> str:
        self._last += 1
        self._streams[stream_id].append((self._last, message))
        self._owner[str(self._last)] = stream_id
        return str(self._last)

    async def replay_events_after(self, last_event_id: str, send_callback: EventCallback) -> str | None:
        stream = self._owner.get(last_event_id)
        if stream is None:
            return None
        for number, message in list(self._streams[stream]):
            if number > int(last_event_id) and message is not None:
                await send_callback(EventMessage(message, str(number)))
        return stream


def build(tools: Tools) -> Server[Any]:
    hints = {"tools/list", "prompts/list", "resources/list", "resources/templates/list", "resources/read"}
    hint = CacheHint(ttl_ms=5000, scope="public")
    server: Server[Any] = Server(
        "everything",
        version="1.0.0",
        title="Everything",
        instructions=INSTRUCTIONS,
        icons=[types.Icon(src="data:image/png;base64,AAAA", mime_type="image/png")],
        cache_hints=dict.fromkeys(hints, hint),  # type: ignore[arg-type]
        on_subscriptions_listen=ListenHandler(tools.bus),
        get_tool_input_schema={tool["name"]: tool["inputSchema"] for tool in fx.TOOLS}.get,
    )
    _add_lists(server)
    _add_reads(server)

    async def call(context: Context, _params: object) -> dict[str, Any]:
        return await tools.call(context, context.params or {})

    async def nothing(_context: Context, _params: object) -> dict[str, Any]:
        return {}

    async def watch(context: Context, _params: object) -> dict[str, Any]:
        change = tools.watched.discard if context.method == "resources/unsubscribe" else tools.watched.add
        change((context.params or {})["uri"])
        return {}

    _register(server, "tools/call", types.CallToolRequestParams, call)
    _register(server, "logging/setLevel", types.RequestParams, nothing)
    for method in ("resources/subscribe", "resources/unsubscribe"):
        _register(server, method, types.RequestParams, watch)
    server.middleware.append(_unknown_words(tools))
    return server


def _add_lists(server: Server[Any]) -> None:
    for kind, method, entries in (
        ("tools", "tools/list", fx.TOOLS),
        ("prompts", "prompts/list", fx.PROMPTS),
        ("resources", "resources/list", fx.RESOURCES),
        ("resourceTemplates", "resources/templates/list", fx.TEMPLATES),
    ):

        async def listing(
            _context: Context, _params: object, kind: str = kind, entries: Any = entries
        ) -> dict[str, Any]:
            return {kind: entries}

        _register(server, method, types.PaginatedRequestParams, listing)


def _add_reads(server: Server[Any]) -> None:
    async def read(context: Context, params: types.ReadResourceRequestParams) -> dict[str, Any]:
        uri = str(params.uri)
        if uri == "test://static-binary":
            return {"contents": [{"uri": uri, "mimeType": "image/png", "blob": fx.IMAGE}]}
        if uri.startswith("test://template/"):
            number = uri.split("/")[3]
            data = {"id": number, "templateTest": True, "data": f"Data for ID: {number}"}
            return {"contents": [{"uri": uri, "mimeType": "application/json", "text": json.dumps(data)}]}
        if any(resource["uri"] == uri for resource in fx.RESOURCES):
            return {"contents": [{"uri": uri, "mimeType": "text/plain", "text": "The content of the resource."}]}
        code = types.INVALID_PARAMS if modern(context) else NOT_FOUND_BEFORE
        raise MCPError(code, f"Resource not found: {uri}", {"uri": uri})

    async def complete(_context: Context, params: types.CompleteRequestParams) -> dict[str, Any]:
        values = [params.argument.value + ending for ending in ("a", "b")]
        return {"completion": {"values": values, "total": len(values), "hasMore": False}}

    _register(server, "resources/read", types.ReadResourceRequestParams, read)
    _register(server, "prompts/get", types.GetPromptRequestParams, _prompt)
    _register(server, "completion/complete", types.CompleteRequestParams, complete)


async def _prompt(context: Context, params: types.GetPromptRequestParams) -> dict[str, Any]:
    given = params.arguments or {}
    match params.name:
        case "test_simple_prompt":
            return _messages({"type": "text", "text": "This is a simple prompt for testing."})
        case "test_prompt_with_arguments":
            said = f"Prompt with arguments: arg1='{given.get('arg1')}', arg2='{given.get('arg2')}'"
            return _messages({"type": "text", "text": said})
        case "test_prompt_with_embedded_resource":
            resource = fx.embedded(given.get("resourceUri", ""), "text/plain", "Embedded content.")
            return _messages(resource, {"type": "text", "text": "Please process the resource."})
        case "test_prompt_with_image":
            return _messages(fx.PICTURE, {"type": "text", "text": "Please look at the image."})
        case "test_input_required_result_prompt":
            return _asking_prompt(context)
    raise MCPError(types.INVALID_PARAMS, f"Unknown prompt: {params.name}")


def _asking_prompt(context: Context) -> dict[str, Any]:
    require(context, "elicitation")
    answers = answers_of(context.params or {})
    if "user_context" in answers:
        return _messages({"type": "text", "text": json.dumps(answers["user_context"])})
    asked = fx.elicit("What context should the prompt use?", {"context": {"type": "string"}}, ["context"])
    return {"resultType": "input_required", "inputRequests": {"user_context": asked}}


def _register(server: Server[Any], method: str, params_type: Any, handler: Handler) -> None:
    """Handlers give plain results; the current revision wants to be told that they are complete."""

    async def whole(context: Context, params: Any) -> dict[str, Any]:
        result = await handler(context, params)
        return {"resultType": "complete", **result} if modern(context) else result

    server.add_request_handler(method, params_type, whole)


def _messages(*contents: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": content} for content in contents]}


def _unknown_words(tools: Tools) -> Any:
    """What the SDK's models would drop is put on the wire behind them: a server may be newer than its client's SDK."""

    async def middleware(context: Context, call_next: CallNext) -> HandlerResult:
        params = context.params or {}
        if context.method == "tools/call" and params.get("name") == "lossless":
            result = await tools.call(context, params)
            return {**result, **({"resultType": "complete"} if modern(context) else {})}
        result_of_next = await call_next(context)
        if context.method == "tools/list" and isinstance(result_of_next, Mapping):
            entries = [_worded(tool) for tool in result_of_next["tools"]]
            return {**result_of_next, "tools": entries, "x-page": {"kept": [None]}}
        return result_of_next

    return middleware


def _worded(tool: Mapping[str, Any]) -> dict[str, Any]:
    return {**tool, **fx.UNKNOWN_KEYWORDS} if tool["name"] == "lossless" else dict(tool)


def announce_changes(server: Server[Any]) -> None:
    """Say in the handshake that the lists may change; the constructor has no word for it."""
    original = server.create_initialization_options
    changes = NotificationOptions(tools_changed=True, prompts_changed=True, resources_changed=True)
    server.create_initialization_options = lambda *_a, **_k: original(changes)  # type: ignore[method-assign]


async def refuse_handshakes(ctx: Context, call_next: CallNext) -> HandlerResult:
    """As a server that knows the current revision only."""
    if ctx.method == "initialize":
        wanted = (ctx.params or {}).get("protocolVersion")
        served = {"supported": list(MODERN_PROTOCOL_VERSIONS), "requested": wanted}
        raise MCPError(types.UNSUPPORTED_PROTOCOL_VERSION, "Unsupported protocol version", served)
    return await call_next(ctx)


def serve_http(server: Server[Any], transport: str, port: int, *, legacy: bool) -> None:
    if transport == "sse":
        app: ASGIApp = sse_app(server, legacy=legacy)
    else:
        streamable = server.streamable_http_app(host="127.0.0.1", event_store=Events(), retry_interval=100)
        app = HttpDoor(streamable, legacy=legacy)
    listening = socket.create_server(("127.0.0.1", port))
    path = "sse" if transport == "sse" else "mcp"
    print(f"http://127.0.0.1:{listening.getsockname()[1]}/{path}", flush=True)
    config = uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=0)
    uvicorn.Server(config).run(sockets=[listening])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--transport", choices=["stdio", "streamable-http", "sse"], default="stdio")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--era", choices=["both", "modern", "handshake"], default="both")
    options = parser.parse_args()
    server = build(Tools())
    announce_changes(server)
    if options.era == "modern":
        server.middleware.insert(0, refuse_handshakes)
    legacy = options.era == "handshake"
    if options.transport == "stdio":
        asyncio.run(serve_stdio(server, legacy=legacy))
    else:
        serve_http(server, options.transport, options.port, legacy=legacy)


if __name__ == "__main__":
    main()

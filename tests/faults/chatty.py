"""An upstream whose one tool reports its progress ten thousand times. Prints its URL once it listens."""

from __future__ import annotations

import socket
from typing import Any

import mcp_types as types
import uvicorn
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server

NOTICES = 10_000
WORDS = "x" * 1_000
TOOL = {"name": "flood", "description": "Much progress.", "inputSchema": {"type": "object"}}


async def list_tools(_context: ServerRequestContext[Any], _params: object) -> types.ListToolsResult:
    return types.ListToolsResult(tools=[types.Tool.model_validate(TOOL)])


async def call_tool(context: ServerRequestContext[Any], _params: types.CallToolRequestParams) -> types.CallToolResult:
    for number in range(NOTICES):
        await context.session.report_progress(number, NOTICES, WORDS)
    return types.CallToolResult(content=[types.TextContent(text="done")])


def main() -> None:
    server: Server[Any] = Server("chatty", on_list_tools=list_tools, on_call_tool=call_tool)
    listening = socket.create_server(("127.0.0.1", 0))
    print(f"http://127.0.0.1:{listening.getsockname()[1]}/mcp", flush=True)  # noqa: T201
    app = server.streamable_http_app()
    uvicorn.Server(uvicorn.Config(app, log_level="error")).run(sockets=[listening])


if __name__ == "__main__":
    main()

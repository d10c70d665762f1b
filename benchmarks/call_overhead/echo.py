"""The upstream of the measurement: one tool, stateless HTTP, JSON answers. Prints its URL once it listens."""

from __future__ import annotations

import socket
from typing import Any

import mcp_types as types
import uvicorn
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server

SCHEMA: dict[str, Any] = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
KEEP_S = 600  # a slow rival's turn must not end the others' connections
TOOL = {
    "name": "echo",
    "description": "Give the text back.",
    "inputSchema": SCHEMA,
}


async def list_tools(_context: ServerRequestContext[Any], _params: object) -> types.ListToolsResult:
    return types.ListToolsResult(tools=[types.Tool.model_validate(TOOL)])


async def call_tool(_context: ServerRequestContext[Any], params: types.CallToolRequestParams) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(text=(params.arguments or {})["text"])])


def main() -> None:
    server: Server[Any] = Server(
        "echo",
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        get_tool_input_schema=lambda name: SCHEMA if name == "echo" else None,
    )
    app = server.streamable_http_app(json_response=True, stateless_http=True)
    listening = socket.create_server(("127.0.0.1", 0))
    print(f"http://127.0.0.1:{listening.getsockname()[1]}/mcp", flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="error", http="httptools", timeout_keep_alive=KEEP_S)).run(
        sockets=[listening]
    )


if __name__ == "__main__":
    main()

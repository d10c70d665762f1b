"""The tasks extension: not offered. Its methods are refused with a sentence that says so, in both protocol eras.

A call that asks to become a task is answered as a plain call, which is what the specification wants of a server
that does not offer tasks.
"""

from __future__ import annotations

from typing import Any, NoReturn

import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError

EXTENSION = "io.modelcontextprotocol/tasks"
METHODS = ("tasks/get", "tasks/update", "tasks/cancel", "tasks/list", "tasks/result")


def refuse_tasks(server: Server[Any]) -> None:
    """Answer every method of the extension with -32601 and its name."""
    for method in METHODS:
        server.add_request_handler(method, types.RequestParams, _refuse(method))


def _refuse(method: str) -> Any:
    async def refused(_ctx: ServerRequestContext[Any], _params: types.RequestParams) -> NoReturn:
        raise MCPError(
            types.METHOD_NOT_FOUND,
            f"Method not found: {method} belongs to the extension {EXTENSION}, which Toolcrib does not offer; call the "
            "tool without a task.",
            method,
        )

    return refused

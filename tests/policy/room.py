"""An upstream with four tools that always succeed, for simulated agents.

    python -m tests.policy.room

It prints its port once it listens.
"""

from __future__ import annotations

from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.upstreams.listening import serve

NAMES = ("saw", "drill", "plane", "chisel")
TOOLS = [
    {"name": name, "description": f"Works wood with a {name}.", "inputSchema": {"type": "object"}} for name in NAMES
]
_SAID: dict[str, dict[str, Any]] = {
    "server/discover": {
        "supportedVersions": ["2026-07-28"],
        "capabilities": {"tools": {}},
        "serverInfo": {"name": "room", "version": "1"},
        "ttlMs": 0,
        "cacheScope": "private",
    },
    "tools/list": {"tools": TOOLS, "ttlMs": 0, "cacheScope": "private"},
    "tools/call": {"content": [{"type": "text", "text": "done"}]},
}


async def _answer(request: Request) -> Response:
    message = await request.json()
    result = {"resultType": "complete", **_SAID.get(message["method"], {})}
    return JSONResponse({"jsonrpc": "2.0", "id": message.get("id"), "result": result})


if __name__ == "__main__":
    serve(Starlette(routes=[Route("/mcp", _answer, methods=["POST"])]))

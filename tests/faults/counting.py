"""An upstream that counts: every execution by its label, every listing, every connection's handshake.

    python -m tests.faults.counting

One process serves many MCP servers of the current revision, each under a path of its own (`/0/mcp`, `/1/mcp` ...), as
bare JSON over HTTP: that is quick enough for thousands of faulted calls. It prints its port once it listens.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.upstreams.listening import serve

LABEL = {"type": "object", "properties": {"label": {"type": "string"}}, "required": ["label"]}
TOOLS = [
    {"name": "once", "description": "Counts the label; not to be repeated.", "inputSchema": LABEL},
    {
        "name": "again",
        "description": "Counts the label; may be repeated.",
        "inputSchema": LABEL,
        "annotations": {"idempotentHint": True},
    },
    {"name": "slow", "description": "Takes ten minutes.", "inputSchema": LABEL},
]


class Counting:
    """What happened, over all its servers."""

    def __init__(self) -> None:
        self.executed: Counter[str] = Counter()
        self.seen: Counter[str] = Counter()  # methods
        self.cancelled: Counter[str] = Counter()
        self.down: set[str] = set()

    async def answer(self, request: Request) -> Response:
        number = request.path_params["number"]
        if number in self.down:
            return Response("down", 503)
        message = await request.json()
        method, params = message["method"], message.get("params", {})
        self.seen[method] += 1
        result: dict[str, Any] = {"resultType": "complete"}
        if method == "server/discover":
            result |= {
                "supportedVersions": ["2026-07-28"],
                "capabilities": {"tools": {}},
                "serverInfo": {"name": f"counting-{number}", "version": "1"},
                "ttlMs": 0,
                "cacheScope": "private",
            }
        elif method == "tools/list":
            result |= {"tools": TOOLS, "ttlMs": 0, "cacheScope": "private"}
        elif method == "tools/call":
            await self._execute(request, params)
            result |= {"content": [{"type": "text", "text": "done"}]}
        return JSONResponse({"jsonrpc": "2.0", "id": message.get("id"), "result": result})

    async def _execute(self, request: Request, params: dict[str, Any]) -> None:
        label = params["arguments"]["label"]
        self.executed[label] += 1
        if params["name"] == "slow":
            await request.receive()  # until the client is gone: its request is read already
            self.cancelled[label] += 1

    async def report(self, _request: Request) -> Response:
        return JSONResponse({"executed": self.executed, "seen": self.seen, "cancelled": self.cancelled})

    async def switch(self, request: Request) -> Response:
        numbers = set(request.query_params["servers"].split(","))
        if request.query_params["down"] == "1":
            self.down |= numbers
        else:
            self.down -= numbers
        return JSONResponse(sorted(self.down))


def main() -> None:
    counting = Counting()
    app = Starlette(
        routes=[
            Route("/{number}/mcp", counting.answer, methods=["POST"]),
            Route("/report", counting.report),
            Route("/switch", counting.switch),
        ]
    )
    serve(app)


if __name__ == "__main__":
    main()

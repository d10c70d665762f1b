"""Many MCP servers in one process whose tools change on command.

    python -m tests.chaos.upstream SERVERS TOOLS

Servers of the current revision, each under a path of its own (`/0/mcp`, `/1/mcp` ...). Prints its port once it listens.
`/change?servers=0,1&seed=7` rewords, drops and adds some of their tools; `/tools` says what every server offers now.
"""

from __future__ import annotations

import random
import sys
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tests.upstreams.listening import serve

VERBS = ("read", "write", "move", "list", "search", "delete", "merge", "count", "send", "fetch", "plan", "check")
NOUNS = ("file", "invoice", "calendar", "ticket", "branch", "table", "message", "photo", "route", "patient", "order")
QUALITIES = ("old", "new", "shared", "private", "large", "recent", "open", "signed", "local", "remote", "paid", "late")

Tool = dict[str, Any]


def a_tool(server: int, number: int, words: random.Random) -> Tool:
    verb, noun = VERBS[number % len(VERBS)], NOUNS[number // len(VERBS) % len(NOUNS)]
    quality, other = words.choice(QUALITIES), words.choice(NOUNS)
    return {
        "name": f"{verb}_{noun}_{number}",
        "description": f"{verb.title()} the {quality} {noun} of a {other} in workspace {server}, variant {number}.",
        "inputSchema": {"type": "object", "properties": {noun: {"type": "string"}}, "required": [noun]},
    }


class Catalogue:
    """What every server offers."""

    def __init__(self, servers: int, tools: int) -> None:
        words = random.Random(0)
        self.next_number = tools
        self.offers = [
            {tool["name"]: tool for tool in (a_tool(server, number, words) for number in range(tools))}
            for server in range(servers)
        ]

    async def answer(self, request: Request) -> JSONResponse:
        number = int(request.path_params["number"])
        message = await request.json()
        result: dict[str, Any] = {"resultType": "complete"}
        if message["method"] == "server/discover":
            result |= {
                "supportedVersions": ["2026-07-28"],
                "capabilities": {"tools": {}},
                "serverInfo": {"name": f"workspace-{number}", "version": "1"},
                "ttlMs": 0,
                "cacheScope": "private",
            }
        elif message["method"] == "tools/list":
            result |= {"tools": list(self.offers[number].values()), "ttlMs": 0, "cacheScope": "private"}
        elif message["method"] == "tools/call":
            result |= {"content": [{"type": "text", "text": f"done by {message['params']['name']}"}]}
        return JSONResponse({"jsonrpc": "2.0", "id": message.get("id"), "result": result})

    async def change(self, request: Request) -> JSONResponse:
        words = random.Random(int(request.query_params["seed"]))
        for server in map(int, request.query_params["servers"].split(",")):
            offer = self.offers[server]
            for name in words.sample(sorted(offer), min(4, len(offer))):
                offer[name] = {**offer[name], "description": f"{offer[name]['description']} {words.choice(QUALITIES)}!"}
            for name in words.sample(sorted(offer), min(2, len(offer) - 1)):
                del offer[name]
            for _ in range(2):
                tool = a_tool(server, self.next_number, words)
                self.next_number += 1
                offer[tool["name"]] = tool
        return JSONResponse({"tools": sum(map(len, self.offers))})

    async def tools(self, _request: Request) -> JSONResponse:
        return JSONResponse(
            {
                number: {name: tool["description"] for name, tool in offer.items()}
                for number, offer in enumerate(self.offers)
            }
        )


def main() -> None:
    catalogue = Catalogue(int(sys.argv[1]), int(sys.argv[2]))
    app = Starlette(
        routes=[
            Route("/{number}/mcp", catalogue.answer, methods=["POST"]),
            Route("/change", catalogue.change),
            Route("/tools", catalogue.tools),
        ]
    )
    serve(app)


if __name__ == "__main__":
    main()

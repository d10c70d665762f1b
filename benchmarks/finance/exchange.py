"""One server with many tools, listed in pages whose order is another one every time; all of its tools change at once.

What a single listing says belongs together: order and edition travel in the cursor.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence

import mcp_types as types

from benchmarks.finance.catalogue import TENANT, FinanceServer
from domain.servers import Launch, Transport, UpstreamServer
from domain.tools import CatalogueTool

SLUG = "exchange"
TOOLS = 40
PAGE = 7


class Exchange:
    """What it lists now."""

    def __init__(self, servers: Sequence[FinanceServer]) -> None:
        self._servers = servers[:TOOLS]
        self._listings = 0
        self.edition = 0

    def page(self, cursor: str | None) -> types.ListToolsResult:
        """One page of a listing, whole and in an order of its own."""
        if cursor is None:
            self._listings += 1
            order, edition, start = self._listings, self.edition, 0
        else:
            order, edition, start = json.loads(cursor)
        shuffled = random.Random(order).sample(self._servers, len(self._servers))
        tools = [types.Tool.model_validate(_tool(server, edition)) for server in shuffled[start : start + PAGE]]
        more = start + PAGE < len(shuffled)
        return types.ListToolsResult(
            tools=tools, next_cursor=json.dumps([order, edition, start + PAGE]) if more else None
        )


def upstream(origin: str) -> UpstreamServer:
    """It as the gateway registers it."""
    return UpstreamServer(TENANT, SLUG, "Exchange", Launch(Transport.STREAMABLE_HTTP, url=f"{origin}/{SLUG}/mcp"))


def editions(tools: Iterable[CatalogueTool]) -> set[str]:
    """The editions that these of its tools are of: more than one is a mixture that no listing ever held."""
    return {str(tool.document.raw["description"]).rsplit(" ", 1)[1] for tool in tools}


def _tool(server: FinanceServer, edition: int) -> dict[str, object]:
    tool = dict(server.tool())
    return {**tool, "description": f"{tool['description']} Edition {edition}"}

"""OpenAI's Agents SDK: its MCP server object, as an agent uses it (tools listed anew for every turn)."""

from __future__ import annotations

import asyncio

from agents.mcp import MCPServerStreamableHttp
from journey import Answer, abandon, travel


class Driver:
    name = "openai-agents"

    def __init__(self, url: str) -> None:
        self._url = url

    async def open(self) -> None:
        self._server = MCPServerStreamableHttp(
            params={"url": self._url}, cache_tools_list=False, client_session_timeout_seconds=60
        )
        await self._server.connect()

    async def close(self) -> None:
        await self._server.cleanup()

    async def tools(self) -> set[str]:
        return {tool.name for tool in await self._server.list_tools()}

    async def call(self, name: str, arguments: dict[str, object]) -> Answer:
        result = await self._server.call_tool(name, arguments)
        return Answer([getattr(block, "text", "") for block in result.content], failed=bool(result.is_error))

    async def cancel(self, call: asyncio.Task[Answer]) -> None:
        await abandon(call)


if __name__ == "__main__":
    asyncio.run(travel(Driver))

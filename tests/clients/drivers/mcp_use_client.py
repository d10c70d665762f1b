"""mcp-use, on the first line of the SDK."""

from __future__ import annotations

import asyncio

from journey import Answer, travel
from mcp_use import MCPClient


class Driver:
    name = "mcp-use"

    def __init__(self, url: str) -> None:
        self._url = url

    async def open(self) -> None:
        self._client = MCPClient.from_dict({"mcpServers": {"toolcrib": {"url": self._url}}})
        self._session = await self._client.create_session("toolcrib")

    async def close(self) -> None:
        await self._client.close_all_sessions()

    async def tools(self) -> set[str]:
        return {tool.name for tool in await self._session.list_tools()}

    async def call(self, name: str, arguments: dict[str, object]) -> Answer:
        result = await self._session.call_tool(name, arguments)
        return Answer([getattr(block, "text", "") for block in result.content], failed=result.isError)

    async def cancel(self, call: asyncio.Task[Answer]) -> None:
        """It has no word for it: who wants a call to end closes the session."""
        call.cancel()
        await self.close()
        await self.open()


if __name__ == "__main__":
    asyncio.run(travel(Driver))

"""The official Python SDK, second line: current revision, no session on the wire."""

from __future__ import annotations

import asyncio

from journey import Answer, abandon, travel
from mcp import Client


class Driver:
    name = "sdk2"
    keeps_memory = True

    def __init__(self, url: str) -> None:
        self._url = url

    async def open(self) -> None:
        self._client = Client(self._url)
        await self._client.__aenter__()

    async def close(self) -> None:
        await self._client.__aexit__(None, None, None)

    async def tools(self) -> set[str]:
        return {tool.name for tool in (await self._client.list_tools()).tools}

    async def call(self, name: str, arguments: dict[str, object]) -> Answer:
        result = await self._client.call_tool(name, arguments)
        return Answer([getattr(block, "text", "") for block in result.content], failed=bool(result.is_error))

    async def cancel(self, call: asyncio.Task[Answer]) -> None:
        await abandon(call)


if __name__ == "__main__":
    asyncio.run(travel(Driver))

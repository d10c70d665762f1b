"""LangChain's adapters, used as their documentation begins: `get_tools()`, which opens a session for every call."""

from __future__ import annotations

import asyncio

from journey import Answer, abandon, travel
from langchain_core.tools import BaseTool
from langchain_mcp_adapters.client import MultiServerMCPClient


class Driver:
    name = "langchain"
    keeps_memory = True

    def __init__(self, url: str) -> None:
        self._client = MultiServerMCPClient({"toolcrib": {"transport": "streamable_http", "url": url}})

    async def open(self) -> None:
        self._tools: dict[str, BaseTool] = {tool.name: tool for tool in await self._client.get_tools()}

    async def close(self) -> None:
        self._tools = {}

    async def tools(self) -> set[str]:
        return set(self._tools)

    async def call(self, name: str, arguments: dict[str, object]) -> Answer:
        request = {"type": "tool_call", "id": "1", "name": name, "args": arguments}
        message = await self._tools[name].ainvoke(request)
        content = message.content if isinstance(message.content, list) else [{"text": message.content}]
        return Answer([block["text"] for block in content], failed=message.status == "error")

    async def cancel(self, call: asyncio.Task[Answer]) -> None:
        await abandon(call)


if __name__ == "__main__":
    asyncio.run(travel(Driver))

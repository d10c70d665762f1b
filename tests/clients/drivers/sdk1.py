"""The official Python SDK, first line: handshake and session."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from journey import Answer, travel
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CancelledNotification, CancelledNotificationParams, ClientNotification


class Driver:
    name = "sdk1"
    keeps_memory = True

    def __init__(self, url: str) -> None:
        self._url = url

    async def open(self) -> None:
        self._stack = AsyncExitStack()
        read, write, _ = await self._stack.enter_async_context(streamable_http_client(self._url))
        self._session = await self._stack.enter_async_context(ClientSession(read, write))
        await self._session.initialize()

    async def close(self) -> None:
        await self._stack.aclose()

    async def tools(self) -> set[str]:
        return {tool.name for tool in (await self._session.list_tools()).tools}

    async def call(self, name: str, arguments: dict[str, object]) -> Answer:
        slow = (arguments.get("name"), name) == ("ref__slow", "call_tool")
        if slow:
            self._slow_id = self._session._request_id  # the SDK numbers requests and does not tell
        result = await self._session.call_tool(name, arguments)
        return Answer([getattr(block, "text", "") for block in result.content], failed=result.isError)

    async def cancel(self, call: asyncio.Task[Answer]) -> None:
        """This SDK leaves the notification to its user; a cancelled task alone tells the server nothing."""
        params = CancelledNotificationParams(requestId=self._slow_id)
        await self._session.send_notification(ClientNotification(CancelledNotification(params=params)))
        call.cancel()


if __name__ == "__main__":
    asyncio.run(travel(Driver))

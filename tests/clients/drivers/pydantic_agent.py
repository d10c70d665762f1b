"""Pydantic AI: a whole agent loop, with a function in the model's place that calls one tool and then answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

from journey import Answer, abandon, travel
from pydantic_ai import Agent
from pydantic_ai.mcp import MCPToolset
from pydantic_ai.messages import ModelMessage, ModelResponse, RetryPromptPart, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel


class Driver:
    name = "pydantic-ai"

    def __init__(self, url: str) -> None:
        self._url = url

    async def open(self) -> None:
        self._toolset = MCPToolset(self._url)
        await self._toolset.__aenter__()

    async def close(self) -> None:
        await self._toolset.__aexit__(None, None, None)

    async def tools(self) -> set[str]:
        offered: set[str] = set()

        def look(_messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
            offered.update(tool.name for tool in info.function_tools)
            return ModelResponse(parts=[TextPart("done")])

        await Agent(FunctionModel(look), toolsets=[self._toolset]).run("look")
        return offered

    async def call(self, name: str, arguments: dict[str, object]) -> Answer:
        def act(messages: list[ModelMessage], _info: AgentInfo) -> ModelResponse:
            answered = any(_answers(messages))
            return ModelResponse(parts=[TextPart("done") if answered else ToolCallPart(name, dict(arguments))])

        run = await Agent(FunctionModel(act), toolsets=[self._toolset]).run("act")
        return next(_answers(run.all_messages()))

    async def cancel(self, call: asyncio.Task[Answer]) -> None:
        await abandon(call)


def _answers(messages: list[ModelMessage]) -> Iterator[Answer]:
    """What the model gets to read of tools."""
    for message in messages:
        for part in message.parts:
            if isinstance(part, RetryPromptPart):
                yield Answer([str(part.content)], failed=True)
            elif isinstance(part, ToolReturnPart):
                content = part.content if isinstance(part.content, list) else [part.content]
                yield Answer(
                    [text if isinstance(text, str) else json.dumps(text) for text in content],
                    failed=part.outcome != "success",
                )


if __name__ == "__main__":
    asyncio.run(travel(Driver))

"""The shortest agent loop over Toolcrib: one turn per message, tools bound natively, calls by name.

    toolcrib serve                                     # in another terminal
    python examples/agent_loop.py "What time is it in Tokyo?"

The model is left out: `choose` stands where yours is asked, and takes the first tool it is given. For an MCP host none
of this is needed; it is pointed at http://127.0.0.1:8420/mcp.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from typing import Any

from toolcrib_client import Toolcrib, ToolcribError

ADDRESS = "http://127.0.0.1:8420"


def choose(tools: Sequence[dict[str, Any]]) -> tuple[str, dict[str, Any]] | None:
    """What a model would say: which tool, with which arguments. Replace it by a request to yours with `tools`."""
    for tool in tools:
        function = tool["function"]
        if not function["parameters"].get("required"):
            return function["name"], {}
    return None


async def main(address: str, messages: Sequence[str]) -> None:
    async with Toolcrib(address) as crib:
        session = await crib.open(mode="workflow")
        for message in messages:
            turn = await session.turn([message], format="openai")
            print(f"turn {turn.number}: {message}")
            print(f"  bound: {', '.join(turn.names) or 'nothing fits'}")
            chosen = choose(turn.tools)
            if chosen is not None:
                result = await session.run(*chosen)
                print(f"  {chosen[0]}: {result.text[:200]}")
        memory = await session.memory()
        print(f"held at the end: {', '.join(held.tool_id for held in memory.held)}; about {memory.tokens} tokens")
        await session.forget()


if __name__ == "__main__":
    try:
        asyncio.run(main(ADDRESS, sys.argv[1:] or ["What time is it in Tokyo?", "Read a file of mine."]))
    except ToolcribError as error:
        sys.exit(error.message)

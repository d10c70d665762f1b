"""The shortest agent loop over Toolcrib: search, check out, call, give back. Start `toolcrib serve` first.

python examples/agent_loop.py "current time in a city"
"""

from __future__ import annotations

import asyncio
import json
import sys

from mcp import Client

ADDRESS = "http://127.0.0.1:8420/mcp"


async def main(need: str) -> None:
    async with Client(ADDRESS) as toolcrib:
        found = await toolcrib.call_tool("search_tools", {"queries": [need]})
        answer, memory = (getattr(block, "text", "") for block in found.content)
        for tool in json.loads(answer)["results"][0]["tools"]:
            print(tool["name"], "-", tool.get("description", "")[:80])
        print(memory)  # the session's handle and how many tools it holds; pass the handle on with each call


if __name__ == "__main__":
    asyncio.run(main(" ".join(sys.argv[1:]) or "current time in a city"))

"""A small client of Toolcrib's HTTP API, for agent loops that are no MCP hosts.

    async with Toolcrib("http://127.0.0.1:8420") as crib:
        session = await crib.open(mode="hybrid")
        turn = await session.turn(["What is the weather in Paris?"], format="openai")
        answer = ask_a_model(tools=turn.tools)          # your model, your client
        result = await session.run(answer.name, answer.arguments)

`run` takes whatever name the model chose: a bound tool, `search_tools` or `remove_tools`. Needs httpx2 and nothing else
of Toolcrib.
"""

from toolcrib_client.answers import Change, Found, Held, Memory, Result, Turn
from toolcrib_client.client import Session, Toolcrib
from toolcrib_client.errors import ToolcribError

__all__ = ["Change", "Found", "Held", "Memory", "Result", "Session", "Toolcrib", "ToolcribError", "Turn"]

"""The inspector's command line: one process for every request. argv: the address, its script in node_modules."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from journey import Answer, abandon, travel


class Driver:
    name = "inspector"

    def __init__(self, url: str) -> None:
        self._target = ("--cli", url, "--transport", "http", "--protocol-era", "auto", "--method")

    async def open(self) -> None:
        """Nothing stays open between two commands."""

    async def close(self) -> None:
        """Nothing stays open between two commands."""

    async def tools(self) -> set[str]:
        return {tool["name"] for tool in (await self._run("tools/list"))["tools"]}

    async def call(self, name: str, arguments: dict[str, object]) -> Answer:
        pairs = [f"{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in arguments.items()]
        options = [part for pair in pairs for part in ("--tool-arg", pair)]
        result = await self._run("tools/call", "--tool-name", name, *options)
        return Answer([block["text"] for block in result["content"]], failed=result.get("isError", False))

    async def cancel(self, call: asyncio.Task[Answer]) -> None:
        """Who gives up presses Ctrl-C; since 2026-07-28 the closed connection tells the server."""
        await abandon(call)

    async def _run(self, *words: str) -> Any:
        process = await asyncio.create_subprocess_exec(
            "node", sys.argv[2], *self._target, *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        try:
            out, err = await process.communicate()
        except asyncio.CancelledError:
            process.terminate()
            await process.wait()
            raise
        if not out:
            raise RuntimeError(err.decode()[:300])
        return json.loads(out)


if __name__ == "__main__":
    asyncio.run(travel(Driver))

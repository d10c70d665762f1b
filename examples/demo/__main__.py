"""`make demo`: Toolcrib in front of real MCP servers, found and called by a real MCP client."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from mcp import Client
from rich.console import Console

from domain.errors import NameTaken
from gateway.api_client import ApiClient
from gateway.cli.output import progress, table
from gateway.event_loop import run_async
from gateway.runner import run_gateway
from gateway.settings import Settings
from servers.client_configs import ConfigEntry, parse_client_config

SESSION_LINE = "Session "
QUERIES = ["what time is it in another city", "recent commits of a repository", "remember a fact about a person"]
TOOL, ARGUMENTS = "time__get_current_time", {"timezone": "Asia/Tokyo"}

console = Console(highlight=False)


async def demo(folder: Path, *, once: bool) -> None:
    """Serve the demo's servers from a fresh data folder; return after the tour, or when interrupted."""
    data = folder / "data"
    shutil.rmtree(data, ignore_errors=True)
    config = parse_client_config((folder / "mcp.json").read_text(), "mcp.json", os.environ)
    settings = Settings(data=data)
    try:
        await _serve(settings, config.entries, once=once)
    except NameTaken:
        console.print(f"Port {settings.port} is taken, so a free one is used.")
        await _serve(settings.model_copy(update={"port": 0}), config.entries, once=once)


async def _serve(settings: Settings, entries: tuple[ConfigEntry, ...], *, once: bool) -> None:
    async with run_gateway(settings) as running:
        started = time.perf_counter()
        async with ApiClient(running.url) as api:
            runs = await _register(api, entries)
        tools = sum(run["added"] for run in runs)
        failed = [run for run in runs if run["error"]]
        console.print(table("server", "tools", "", rows=[(r["server"], r["added"], r["error"] or "") for r in runs]))
        console.print(
            f"[bold]{tools} tools of {len(runs)} servers[/], indexed in {time.perf_counter() - started:.1f} s\n"
        )
        await _tour(f"{running.url}/mcp")
        console.print(f"\n  MCP       {running.url}/mcp\n  HTTP API  {running.url}/api/v1\n  start     {running.url}/")
        if failed and once:
            raise SystemExit(f"{len(failed)} servers could not be synced.")
        if not once:
            console.print("\nServing until you press Ctrl-C.")
            await asyncio.shield(running.finished)


async def _register(api: ApiClient, entries: tuple[ConfigEntry, ...]) -> list[dict[str, Any]]:
    with progress() as bar:
        task = bar.add_task("Syncing", total=len(entries))

        async def one(entry: ConfigEntry) -> dict[str, Any]:
            launch = entry.launch
            body = {"name": entry.title, "transport": launch.transport, "command": list(launch.command),
                    "cwd": launch.cwd, "env": dict(launch.env), "consent": True}  # fmt: skip
            server = (await api.post("/servers", body))["server"]
            run: dict[str, Any] = await api.post(f"/servers/{server}/sync")
            bar.advance(task)
            return run

        return await asyncio.gather(*(one(entry) for entry in entries))


async def _tour(url: str) -> None:
    """What an agent does: three tools listed, a search, a call, a tool given back."""
    async with Client(url) as client:
        listed = await client.list_tools()
        console.print(f"An agent sees {len(listed.tools)} tools: {', '.join(tool.name for tool in listed.tools)}")
        found = await client.call_tool("search_tools", {"queries": QUERIES})
        answer, memory = (getattr(block, "text", "") for block in found.content)
        for result in json.loads(answer)["results"]:
            console.print(f"  search_tools  {result['query']!r}: {', '.join(tool['name'] for tool in result['tools'])}")
        session = memory.removeprefix(SESSION_LINE).split()[0]
        arguments = {"name": TOOL, "arguments": ARGUMENTS, "session": session}
        called = await client.call_tool("call_tool", arguments)
        text = " ".join(getattr(called.content[0], "text", "").split())
        console.print(f"  call_tool     {TOOL} {json.dumps(ARGUMENTS)}: {text}", markup=False, soft_wrap=True)
        removed = await client.call_tool("remove_tools", {"names": [TOOL], "session": session})
        console.print(f"  remove_tools  {TOOL}: {getattr(removed.content[-1], 'text', '')}", soft_wrap=True)
        if called.is_error:
            raise SystemExit(f"{TOOL} failed.")


def main() -> None:
    parser = argparse.ArgumentParser(prog="examples.demo", description=__doc__)
    parser.add_argument("--once", action="store_true", help="end after the tour")
    folder = Path(os.environ.get("TOOLCRIB_DEMO", ".demo"))
    try:
        run_async(demo(folder.resolve(), once=parser.parse_args().once))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()

"""Makes the demo's upstream servers ready: `python -m examples.demo.servers --dir .demo`.

Installs each server, makes what they work on, and writes `mcp.json` in the form Claude Desktop uses, with absolute
commands. The second run finds everything in place, needs no network and takes a moment. Exit status 1 when a server
could not be installed; the file then names the others.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from examples.demo.install import install, launcher, node_present
from examples.demo.packages import SERVERS, DemoServer, Ecosystem
from examples.demo.scratch import make_scratch

CONFIG = "mcp.json"


def client_config(folder: Path, servers: Sequence[DemoServer], places: Mapping[str, str]) -> dict[str, Any]:
    """The `mcpServers` object of a desktop client. `places` fills the placeholders of `examples.demo.packages`."""
    entries: dict[str, Any] = {}
    for server in servers:
        command, *leading = launcher(folder, server)
        entry: dict[str, Any] = {
            "command": command,
            "args": [*leading, *(argument.format_map(places) for argument in server.arguments)],
        }
        if server.environment:
            entry["env"] = {key: value.format_map(places) for key, value in server.environment.items()}
        entries[server.name] = entry
    return {"mcpServers": entries}


def prepare(folder: Path, servers: Sequence[DemoServer], console: Console) -> tuple[DemoServer, ...]:
    """Install, make the scratch things, write the file; the servers that are ready."""

    def report(sentence: str, good: bool) -> None:  # noqa: FBT001 - the installer's callback
        console.print(f"  [{'green' if good else 'red'}]{'✓' if good else '✗'}[/] ", end="")
        console.print(sentence, markup=False, highlight=False)

    started = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    with console.status("Installing the demo's MCP servers; the first time takes a minute"):
        ready = install(folder, servers, report)
    config = client_config(folder, ready, make_scratch(folder / "scratch"))
    (folder / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    tools = sum(server.tools for server in ready)
    console.print(
        f"{len(ready)} servers with {tools} tools in {folder / CONFIG} ({time.monotonic() - started:.1f} s)",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    return ready


def offered(console: Console) -> tuple[DemoServer, ...]:
    """The servers this machine can run; says what is missing for the others."""
    if shutil.which("git") is None:
        console.print("git is absent: the demo goes on without the git server.")
    if not node_present():
        console.print("Node.js (node and npm) is absent: the demo goes on with its Python servers.")
    return tuple(server for server in SERVERS if _runs_here(server))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m examples.demo.servers", description=__doc__)
    parser.add_argument("--dir", type=Path, default=Path(".demo"), help="where everything goes (default: .demo)")
    arguments = parser.parse_args()
    console = Console()
    wanted = offered(console)
    ready = prepare(arguments.dir.resolve(), wanted, console)
    return 0 if len(ready) == len(wanted) else 1


def _runs_here(server: DemoServer) -> bool:
    if server.name == "git" and shutil.which("git") is None:
        return False
    return server.ecosystem is Ecosystem.PYTHON or node_present()


if __name__ == "__main__":
    sys.exit(main())

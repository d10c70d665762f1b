"""`toolcrib servers`: register, import, list, show, enable, disable, trust, distrust, remove."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from domain.errors import InvalidInput, ToolcribError
from domain.servers import Launch, Transport
from gateway.api_client import ApiClient
from gateway.cli.connection import connect
from gateway.cli.consent import require_consent
from gateway.cli.output import Exit, err, out, print_json, progress, table
from gateway.cli.shell import Shell, asking_command, command
from servers.client_configs import ConfigEntry, parse_client_config

app = typer.Typer(help="Register, inspect and change upstream MCP servers.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The server's name.")]
_TRUSTED_HELP = "Believe its hints: a failed call of a read-only or idempotent tool is repeated."
_PAIRS_HELP = "K=V: a header for a URL, an environment variable for a command; repeatable."


@app.command()
@asking_command
async def add(
    name: Name,
    command: Annotated[list[str] | None, typer.Argument(help="After `--`: the command and its arguments.")] = None,
    url: Annotated[str | None, typer.Option(help="The server's URL.")] = None,
    *,
    transport: Annotated[str, typer.Option(help="streamable-http or sse, for a URL.")] = "streamable-http",
    pairs: Annotated[list[str] | None, typer.Option("--header", "--env", help=_PAIRS_HELP)] = None,
    trusted: Annotated[bool, typer.Option("--trusted", help=_TRUSTED_HELP)] = False,
    shell: Shell,
) -> Exit:
    """Register one server and sync it: `add NAME --url URL`, or `add NAME -- COMMAND ARG...`."""
    if url is None:
        launch = Launch(Transport.STDIO, tuple(command or ()), env=_pairs(pairs))
    elif transport not in {Transport.STREAMABLE_HTTP, Transport.SSE}:
        raise typer.BadParameter("use streamable-http or sse", param_hint="--transport")
    else:
        launch = Launch(Transport(transport), tuple(command or ()), url=url, headers=_pairs(pairs))
    entry = ConfigEntry(name, launch, enabled=True)
    require_consent([entry], yes=shell.yes)
    return await _register(shell, [entry], (), trusted=trusted)


@app.command("import")
@asking_command
async def import_file(
    file: Annotated[Path, typer.Argument(help="mcp.json of Claude, Cursor or VS Code; TOML of Codex.")],
    *,
    shell: Shell,
) -> Exit:
    """Register every server of a client's configuration file, after showing each exact command."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{file} cannot be read: {error}.") from error
    config = parse_client_config(text, file.name, os.environ)
    for problem in config.problems:
        err.print(f"left out: {problem}", markup=False, soft_wrap=True)
    if not config.entries:
        raise InvalidInput(f"{file} names no server that can be used; nothing was registered.")
    require_consent(config.entries, yes=shell.yes)
    return await _register(shell, config.entries, config.problems)


@app.command("list")
@command
async def listing(shell: Shell) -> None:
    """Every server with its state and the size of its catalogue."""
    async with connect(shell.settings) as api:
        servers = (await api.get("/servers"))["servers"]
    if shell.as_json:
        print_json({"servers": servers})
        return
    if not servers:
        out.print("No servers yet. Register some: toolcrib servers import mcp.json")
        return
    rows = [(s["server"], s["tools"], s["status"], _ago(s["last_verified"]), s["launch"]) for s in servers]
    out.print(table("server", "tools", "state", "verified", "reached by", rows=rows, right=("tools",)))
    for server in servers:
        if server["error"]:
            err.print(f"{server['server']}: {server['error']}", markup=False, soft_wrap=True)


@app.command()
@command
async def show(name: Name, shell: Shell) -> None:
    """One server: how it is reached, how it fares, what it last wrote to standard error."""
    async with connect(shell.settings) as api:
        server = await api.get(f"/servers/{name}")
    if shell.as_json:
        print_json(server)
        return
    stderr = server.pop("stderr")
    out.print(table("", "", rows=[(key, "" if value is None else value) for key, value in server.items()]))
    if stderr:
        out.print("\nstandard error, last lines:")
        out.print(stderr, markup=False)


@app.command()
@command
async def enable(name: Name, shell: Shell) -> None:
    """Switch a server on."""
    await _change(shell, name, "is enabled", enabled=True)


@app.command()
@command
async def disable(name: Name, shell: Shell) -> None:
    """Switch a server off: its tools stay in the catalogue, calls are refused."""
    await _change(shell, name, "is disabled", enabled=False)


@app.command()
@command
async def trust(name: Name, shell: Shell) -> None:
    """Believe what a server says about its tools: failed calls of read-only or idempotent ones are repeated."""
    await _change(shell, name, "is trusted", trusted=True)


@app.command()
@command
async def distrust(name: Name, shell: Shell) -> None:
    """Stop to believe what a server says about its tools; no call of it is repeated."""
    await _change(shell, name, "is not trusted any more", trusted=False)


@app.command()
@command
async def remove(name: Name, shell: Shell) -> None:
    """Forget a server and its tools."""
    async with connect(shell.settings) as api:
        await api.delete(f"/servers/{name}")
    if shell.as_json:
        print_json({"removed": name})
    else:
        out.print(f"{name} is removed.", markup=False)


async def _register(
    shell: Shell, entries: Sequence[ConfigEntry], problems: Sequence[str], *, trusted: bool = False
) -> Exit:
    """Register, then sync each; one bad server does not stop the others."""
    done: list[dict[str, Any]] = []
    failed: list[dict[str, str]] = [{"name": "", "error": problem} for problem in problems]
    async with connect(shell.settings) as api:
        with progress() as bar:
            task = bar.add_task("Registering", total=len(entries))
            for entry in entries:
                bar.update(task, description=f"Registering {entry.title}")
                try:
                    done.append(await _register_one(api, entry, trusted=trusted))
                except ToolcribError as error:
                    failed.append({"name": entry.title, "error": error.message})
                bar.advance(task)
    if shell.as_json:
        print_json({"registered": done, "failed": failed})
    else:
        for run in done:
            state = f"{run['added'] + run['unchanged']} tools" if run["error"] is None else run["error"]
            out.print(f"{run['server']}: {state}", markup=False, soft_wrap=True)
        for failure in failed:
            if failure["name"]:
                err.print(f"{failure['name']}: {failure['error']}", markup=False, soft_wrap=True)
    bad = len(failed) + sum(1 for run in done if run["error"])
    good = sum(1 for run in done if run["error"] is None)
    return Exit.DONE if not bad else Exit.PARTLY if good else Exit.FAILED


async def _register_one(api: ApiClient, entry: ConfigEntry, *, trusted: bool) -> dict[str, Any]:
    launch = entry.launch
    body = {
        "name": entry.title,
        "transport": launch.transport,
        "command": list(launch.command),
        "cwd": launch.cwd,
        "url": launch.url,
        "env": dict(launch.env),
        "headers": dict(launch.headers),
        "trusted": trusted,
        "consent": True,
    }
    server = (await api.post("/servers", body))["server"]
    if not entry.enabled:
        await api.patch(f"/servers/{server}", {"enabled": False})
        return {"server": server, "added": 0, "unchanged": 0, "error": None}
    run: dict[str, Any] = await api.post(f"/servers/{server}/sync")
    return run


async def _change(shell: Shell, name: str, done: str, **settings: bool) -> None:
    async with connect(shell.settings) as api:
        server = await api.patch(f"/servers/{name}", settings)
    if shell.as_json:
        print_json(server)
    else:
        out.print(f"{server['server']} {done}.", markup=False)


def _pairs(given: list[str] | None) -> dict[str, str]:
    pairs = [pair.partition("=") for pair in given or ()]
    if any(not key or not equals for key, equals, _ in pairs):
        raise typer.BadParameter("write it as KEY=VALUE", param_hint="--header or --env")
    return {key: value for key, _, value in pairs}


def _ago(at: float | None) -> str:
    if at is None:
        return "never"
    seconds = max(0, int(time.time() - at))
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"

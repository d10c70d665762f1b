"""`toolcrib servers`: register, import, list, show, enable, disable, remove."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from domain.errors import InvalidInput, ToolcribError
from domain.servers import Launch, Transport
from gateway.api_client import ApiClient
from gateway.cli.connection import connect
from gateway.cli.consent import require_consent
from gateway.cli.options import Data, Json, Url, make_settings
from gateway.cli.output import Exit, err, out, print_json, progress, table
from gateway.runner import run_async
from gateway.settings import Settings
from servers.client_configs import ConfigEntry, parse_client_config

app = typer.Typer(help="Register, inspect and change upstream MCP servers.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The server's name.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Agree to run the commands shown.")]


@app.command()
def add(  # noqa: PLR0917 - one flag each
    name: Name,
    command: Annotated[list[str] | None, typer.Argument(help="After `--`: the command and its arguments.")] = None,
    server_url: Annotated[str | None, typer.Option("--url", help="The server's URL.")] = None,
    transport: Annotated[str, typer.Option(help="streamable-http or sse, for a URL.")] = "streamable-http",
    header: Annotated[list[str] | None, typer.Option(help="K=V, sent with every request; repeatable.")] = None,
    env: Annotated[list[str] | None, typer.Option(help="K=V for the command's environment; repeatable.")] = None,
    *,
    yes: Yes = False,
    data: Data = None,
    gateway: Annotated[str | None, typer.Option("--gateway", help="Use the gateway at this address.")] = None,
    as_json: Json = False,
) -> None:
    """Register one server and sync it: `add NAME --url URL`, or `add NAME -- COMMAND ARG...`."""
    if server_url is None:
        launch = Launch(Transport.STDIO, tuple(command or ()), env=_pairs(env, "--env"))
    elif transport not in {Transport.STREAMABLE_HTTP, Transport.SSE}:
        raise typer.BadParameter("use streamable-http or sse", param_hint="--transport")
    else:
        launch = Launch(Transport(transport), tuple(command or ()), url=server_url, headers=_pairs(header, "--header"))
    entry = ConfigEntry(name, launch, enabled=True)
    require_consent([entry], yes=yes)
    raise typer.Exit(run_async(_register(make_settings(data=data, url=gateway), [entry], (), as_json=as_json)))


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="mcp.json of Claude, Cursor or VS Code; TOML of Codex.")],
    *,
    yes: Yes = False,
    data: Data = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
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
    require_consent(config.entries, yes=yes)
    settings = make_settings(data=data, url=url)
    raise typer.Exit(run_async(_register(settings, config.entries, config.problems, as_json=as_json)))


@app.command("list")
def listing(*, data: Data = None, url: Url = None, as_json: Json = False) -> None:
    """Every server with its state and the size of its catalogue."""
    run_async(_list(make_settings(data=data, url=url), as_json=as_json))


@app.command()
def show(name: Name, *, data: Data = None, url: Url = None, as_json: Json = False) -> None:
    """One server: how it is reached, how it fares, what it last wrote to standard error."""
    run_async(_show(make_settings(data=data, url=url), name, as_json=as_json))


@app.command()
def enable(name: Name, *, data: Data = None, url: Url = None, as_json: Json = False) -> None:
    """Switch a server on."""
    run_async(_enable(make_settings(data=data, url=url), name, enabled=True, as_json=as_json))


@app.command()
def disable(name: Name, *, data: Data = None, url: Url = None, as_json: Json = False) -> None:
    """Switch a server off: its tools stay in the catalogue, calls are refused."""
    run_async(_enable(make_settings(data=data, url=url), name, enabled=False, as_json=as_json))


@app.command()
def remove(name: Name, *, data: Data = None, url: Url = None, as_json: Json = False) -> None:
    """Forget a server and its tools."""
    run_async(_remove(make_settings(data=data, url=url), name, as_json=as_json))


async def _register(
    settings: Settings, entries: tuple[ConfigEntry, ...] | list[ConfigEntry], problems: tuple[str, ...], *, as_json: bool
) -> Exit:
    """Register, then sync each; one bad server does not stop the others."""
    done: list[dict[str, Any]] = []
    failed: list[dict[str, str]] = [{"name": "", "error": problem} for problem in problems]
    async with connect(settings) as api:
        with progress() as bar:
            task = bar.add_task("Registering", total=len(entries))
            for entry in entries:
                bar.update(task, description=f"Registering {entry.title}")
                try:
                    done.append(await _register_one(api, entry))
                except ToolcribError as error:
                    failed.append({"name": entry.title, "error": error.message})
                bar.advance(task)
    if as_json:
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


async def _register_one(api: ApiClient, entry: ConfigEntry) -> dict[str, Any]:
    launch = entry.launch
    body = {
        "name": entry.title,
        "transport": launch.transport,
        "command": list(launch.command),
        "cwd": launch.cwd,
        "url": launch.url,
        "env": dict(launch.env),
        "headers": dict(launch.headers),
        "consent": True,
    }
    server = (await api.post("/servers", body))["server"]
    if not entry.enabled:
        await api.patch(f"/servers/{server}", {"enabled": False})
        return {"server": server, "added": 0, "unchanged": 0, "error": None}
    run: dict[str, Any] = await api.post(f"/servers/{server}/sync")
    return run


async def _list(settings: Settings, *, as_json: bool) -> None:
    async with connect(settings) as api:
        servers = (await api.get("/servers"))["servers"]
    if as_json:
        print_json({"servers": servers})
        return
    if not servers:
        out.print("No servers yet. Register some: toolcrib servers import mcp.json")
        return
    rows = [
        (s["server"], s["tools"], s["status"], _ago(s["last_verified"]), s["error"] or s["launch"]) for s in servers
    ]
    out.print(table("server", "tools", "state", "verified", "reached by", rows=rows, right=("tools",)))


async def _show(settings: Settings, name: str, *, as_json: bool) -> None:
    async with connect(settings) as api:
        server = await api.get(f"/servers/{name}")
    if as_json:
        print_json(server)
        return
    stderr = server.pop("stderr")
    out.print(table("", "", rows=[(key, "" if value is None else value) for key, value in server.items()]))
    if stderr:
        out.print("\nstandard error, last lines:")
        out.print(stderr, markup=False)


async def _enable(settings: Settings, name: str, *, enabled: bool, as_json: bool) -> None:
    async with connect(settings) as api:
        server = await api.patch(f"/servers/{name}", {"enabled": enabled})
    if as_json:
        print_json(server)
    else:
        out.print(f"{server['server']} is {'enabled' if enabled else 'disabled'}.")


async def _remove(settings: Settings, name: str, *, as_json: bool) -> None:
    async with connect(settings) as api:
        await api.delete(f"/servers/{name}")
    if as_json:
        print_json({"removed": name})
    else:
        out.print(f"{name} is removed.", markup=False)


def _pairs(given: list[str] | None, flag: str) -> dict[str, str]:
    pairs = [pair.partition("=") for pair in given or ()]
    if any(not key or not equals for key, equals, _ in pairs):
        raise typer.BadParameter("write it as KEY=VALUE", param_hint=flag)
    return {key: value for key, _, value in pairs}


def _ago(at: float | None) -> str:
    if at is None:
        return "never"
    seconds = max(0, int(time.time() - at))
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"

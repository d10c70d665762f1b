"""`toolcrib servers`: register, list, show, change and remove; import: import_servers.py."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from domain.servers import ReviewPolicy, Sharing
from gateway.api_client import path
from gateway.cli.connection import connect
from gateway.cli.consent import require_consent
from gateway.cli.output import Exit, err, out, print_json, table
from gateway.cli.registering import Reach, register
from gateway.cli.shell import Shell, asking_command, command
from servers.client_configs import ConfigEntry

app = typer.Typer(help="Register, inspect and change upstream MCP servers.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The server's name.")]
_SHARING_HELP = (
    "session: a connection, of a command a process, for each agent session; shared: one for all; auto: a session where "
    "the server keeps one of the protocol, a process for all."
)


@app.command()
@asking_command
async def add(
    name: Name,
    command: Annotated[list[str] | None, typer.Argument(help="After `--`: the command and its arguments.")] = None,
    *,
    reach: Reach,
    review: Annotated[ReviewPolicy, typer.Option(help="Which changes of its tools wait.")] = ReviewPolicy.ACCEPT,
    shell: Shell,
) -> Exit:
    """Register one server and sync it: `add NAME --url URL`, or `add NAME -- COMMAND ARG...`."""
    launch = reach.launch(command)
    entry = ConfigEntry(name, launch, enabled=True)
    require_consent([entry], yes=shell.yes)
    return await register(shell, [entry], (), review=review)


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
    rows = [(s["server"], s["tools"], _held(s), s["status"], _ago(s["last_verified"]), s["launch"]) for s in servers]
    columns = ("server", "tools", "held", "state", "verified", "reached by")
    out.print(table(*columns, rows=rows, right=("tools", "held")))
    for server in servers:
        if server["error"]:
            err.print(f"{server['server']}: {server['error']}", markup=False, soft_wrap=True)


@app.command()
@command
async def show(name: Name, shell: Shell) -> None:
    """One server: how it is reached, how it fares, what it last wrote to standard error."""
    async with connect(shell.settings) as api:
        server = await api.get(path("servers", name))
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
async def share(name: Name, sharing: Annotated[Sharing, typer.Argument(help=_SHARING_HELP)], shell: Shell) -> None:
    """Say who meets the same state at a server: a browser or a shell that it keeps, a login, a working folder."""
    await _change(shell, name, f"is shared: {sharing.value}", sharing=sharing)


@app.command()
@command
async def deauthorize(name: Name, shell: Shell) -> None:
    """Give an authorization back: its tokens are revoked where they came from, if that can be, and forgotten here."""
    async with connect(shell.settings) as api:
        done = await api.delete(path("servers", name, "authorization"))
    if shell.as_json:
        print_json(done)
    elif done["revoked"]:
        out.print(f"{name} is not authorized any more, here and at its authorization server.", markup=False)
    else:
        out.print(
            f"{name} is not authorized any more. Its authorization server did not confirm that it forgot the tokens; "
            "revoke them there if that matters.",
            markup=False, soft_wrap=True,
        )  # fmt: skip


@app.command()
@command
async def remove(name: Name, shell: Shell) -> None:
    """Forget a server and its tools."""
    async with connect(shell.settings) as api:
        await api.delete(path("servers", name))
    if shell.as_json:
        print_json({"removed": name})
    else:
        out.print(f"{name} is removed.", markup=False)


async def _change(shell: Shell, name: str, done: str, **settings: object) -> None:
    async with connect(shell.settings) as api:
        server = await api.patch(path("servers", name), settings)
    if shell.as_json:
        print_json(server)
    else:
        out.print(f"{server['server']} {done}.", markup=False)


def _held(server: dict[str, Any]) -> str:
    """How much waits for a review; nothing is shown where nothing does."""
    return str(server["waiting"] + server["launch_waiting"] or "")


def _ago(at: float | None) -> str:
    if at is None:
        return "never"
    seconds = max(0, int(time.time() - at))
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"

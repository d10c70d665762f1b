"""`toolcrib sessions`."""

from __future__ import annotations

from typing import Annotated

import typer

from gateway.api_client import path
from gateway.cli.connection import connect
from gateway.cli.output import out, print_json, table
from gateway.cli.shell import Shell, command

app = typer.Typer(help="Look at sessions and what their tool memory holds.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(metavar="ID", help="The session's handle.")]


@app.command("list")
@command
async def listing(shell: Shell) -> None:
    """Every live session."""
    async with connect(shell.settings) as api:
        page = await api.get("/sessions", limit=1000)
    if shell.as_json:
        print_json(page)
        return
    rows = [(s["id"], s["subject"], s["mode"], f"{s['tools']}/{s['max_tools']}", s["tokens"]) for s in page["sessions"]]
    out.print(table("session", "subject", "mode", "tools", "tokens", rows=rows, right=("tools", "tokens")))


@app.command()
@command
async def show(session: Id, shell: Shell) -> None:
    """What a session holds, since when, why, how large, how often used."""
    async with connect(shell.settings) as api:
        memory = await api.get(path("sessions", session, "memory"))
    if shell.as_json:
        print_json(memory)
        return
    out.print(
        f"{memory['tools']} of {memory['max_tools']} tools, about {memory['tokens']} tokens, mode {memory['mode']}"
    )
    rows = [
        (e["tool_id"], e["reason"], e["uses"], e["tokens"], "pinned" if e["pinned"] else "") for e in memory["entries"]
    ]
    out.print(table("tool", "why", "uses", "tokens", "", rows=rows, right=("uses", "tokens")))


@app.command()
@command
async def forget(session: Id, shell: Shell) -> None:
    """Delete a session and its memory."""
    async with connect(shell.settings) as api:
        await api.delete(path("sessions", session))
    if shell.as_json:
        print_json({"forgotten": session})
    else:
        out.print("The session is forgotten.")

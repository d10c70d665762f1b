"""`toolcrib sessions`."""

from __future__ import annotations

from typing import Annotated, Any

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
    rows = [(s["id"], s["subject"], s["mode"], f"{s['tools']}/{s['capacity']}", s["tokens"]) for s in page["sessions"]]
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
    budget = "" if memory["max_tokens"] is None else f" of {memory['max_tokens']}"
    out.print(
        f"{memory['tools']} of {memory['capacity']} tools, about {memory['tokens']}{budget} tokens, "
        f"mode {memory['mode']}, turn {memory['turn']}"
    )
    rows = [
        (e["tool_id"], e["reason"], e["age_turns"], e["idle_turns"], e["uses"], e["tokens"], _marks(e))
        for e in memory["entries"]
    ]
    numbers = ("age", "idle", "uses", "tokens")
    out.print(table("tool", "why", *numbers, "", rows=rows, right=numbers))
    if memory["folded"]:
        left = [(f["tool_id"], f["reason"], f["uses"], f["left_in_turn"]) for f in memory["folded"]]
        out.print("Left, and back by a call of their name:")
        out.print(table("tool", "why", "uses", "turn", rows=left, right=("uses", "turn")))

    if memory["ledger"]["requests"]:
        out.print(_ledger_line(memory["ledger"]))


def _ledger_line(ledger: dict[str, Any]) -> str:
    line = (
        f"Over {ledger['requests']} requests about {ledger['spent']['total']:,} billed tokens were spent and "
        f"{ledger['spared']:,} spared; net {ledger['net']:,}."
    )
    return f"{line} {ledger['suggestion']}" if ledger["suggestion"] else line


def _marks(entry: dict[str, Any]) -> str:
    return ", ".join(mark for mark, is_so in (("pinned", entry["pinned"]), ("given back", entry["released"])) if is_so)


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

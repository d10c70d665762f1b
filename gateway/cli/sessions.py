"""`toolcrib sessions`."""

from __future__ import annotations

from typing import Annotated

import typer

from gateway.cli.connection import connect
from gateway.cli.options import Data, Json, Url, make_settings
from gateway.cli.output import out, print_json, table
from gateway.runner import run_async
from gateway.settings import Settings

app = typer.Typer(help="Look at sessions and what their tool memory holds.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(metavar="ID", help="The session's handle.")]


@app.command("list")
def listing(*, data: Data = None, url: Url = None, as_json: Json = False) -> None:
    """Every live session."""
    run_async(_list(make_settings(data=data, url=url), as_json=as_json))


@app.command()
def show(session: Id, *, data: Data = None, url: Url = None, as_json: Json = False) -> None:
    """What a session holds, since when, why, how large, how often used."""
    run_async(_show(make_settings(data=data, url=url), session, as_json=as_json))


@app.command()
def forget(session: Id, *, data: Data = None, url: Url = None, as_json: Json = False) -> None:
    """Delete a session and its memory."""
    run_async(_forget(make_settings(data=data, url=url), session, as_json=as_json))


async def _list(settings: Settings, *, as_json: bool) -> None:
    async with connect(settings) as api:
        page = await api.get("/sessions", limit=1000)
    if as_json:
        print_json(page)
        return
    rows = [(s["id"], s["subject"], s["mode"], f"{s['tools']}/{s['max_tools']}", s["tokens"]) for s in page["sessions"]]
    out.print(table("session", "subject", "mode", "tools", "tokens", rows=rows, right=("tools", "tokens")))


async def _show(settings: Settings, session: str, *, as_json: bool) -> None:
    async with connect(settings) as api:
        memory = await api.get(f"/sessions/{session}/memory")
    if as_json:
        print_json(memory)
        return
    out.print(f"{memory['tools']} of {memory['max_tools']} tools, about {memory['tokens']} tokens, mode {memory['mode']}")
    rows = [
        (e["tool_id"], e["reason"], e["uses"], e["tokens"], "pinned" if e["pinned"] else "") for e in memory["entries"]
    ]
    out.print(table("tool", "why", "uses", "tokens", "", rows=rows, right=("uses", "tokens")))


async def _forget(settings: Settings, session: str, *, as_json: bool) -> None:
    async with connect(settings) as api:
        await api.delete(f"/sessions/{session}")
    if as_json:
        print_json({"forgotten": session})
    else:
        out.print("The session is forgotten.")

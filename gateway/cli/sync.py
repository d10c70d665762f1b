"""`toolcrib sync`."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer

from domain.errors import ToolcribError
from gateway.api_client import ApiClient, path
from gateway.cli.connection import connect
from gateway.cli.output import Exit, out, print_json, progress, table
from gateway.cli.shell import Shell, command

_AT_ONCE = 8


@command
async def sync(
    names: Annotated[list[str] | None, typer.Argument(help="Servers; all of them when none is named.")] = None,
    *,
    full: Annotated[bool, typer.Option("--full", help="Accept that most tools of a server are gone.")] = False,
    shell: Shell,
) -> Exit:
    """List the servers now and bring catalogue and index level with them."""
    async with connect(shell.settings) as api:
        if not names:
            names = [server["server"] for server in (await api.get("/servers"))["servers"] if server["enabled"]]
        with progress() as bar:
            task = bar.add_task("Syncing", total=len(names))
            slots = asyncio.Semaphore(_AT_ONCE)

            async def one(name: str) -> dict[str, Any]:
                async with slots:
                    run = await _sync_one(api, name, full=full)
                bar.advance(task)
                return run

            runs = await asyncio.gather(*(one(name) for name in names))
    return _show(runs, shell)


def _show(runs: list[dict[str, Any]], shell: Shell) -> Exit:
    if shell.as_json:
        print_json({"runs": runs})
    elif not runs:
        out.print("No server is registered and enabled. See: toolcrib servers list")
    else:
        columns = ("added", "changed", "removed", "unchanged", "embedded")
        rows = [(run["server"], *(run[column] for column in columns), _remark(run)) for run in runs]
        out.print(table("server", *columns, "", rows=rows, right=columns))
    bad = sum(1 for run in runs if run["error"])
    return Exit.DONE if not bad else Exit.FAILED if bad == len(runs) else Exit.PARTLY


async def _sync_one(api: ApiClient, name: str, *, full: bool) -> dict[str, Any]:
    try:
        run: dict[str, Any] = await api.post(path("servers", name, "sync") + ("?full=true" if full else ""))
    except ToolcribError as error:
        counts = dict.fromkeys(("added", "changed", "removed", "unchanged", "embedded"), 0)
        return {"server": name, **counts, "error": error.message, "warnings": []}
    return run


def _remark(run: dict[str, Any]) -> str:
    if run["error"]:
        return str(run["error"])
    return f"{len(run['warnings'])} left out" if run["warnings"] else ""

"""`toolcrib sync`."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Annotated, Any

import typer

from domain.errors import ToolcribError
from gateway.api_client import ApiClient, path
from gateway.cli.connection import connect
from gateway.cli.output import Exit, out, print_json, table
from gateway.cli.shell import Shell, command
from gateway.cli.sync_view import SyncView, live_sync

_AT_ONCE = 8
_LOOK_EVERY_S = 0.5
_COUNTS = ("added", "changed", "removed", "held", "unchanged", "embedded")


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
        with live_sync(len(names)) as view:
            slots = asyncio.Semaphore(_AT_ONCE)

            async def one(name: str) -> dict[str, Any]:
                async with slots:
                    run = await _sync_one(api, name, full=full)
                view.ended(run)
                return run

            watching = asyncio.create_task(_watch(api, view))
            try:
                runs = await asyncio.gather(*(one(name) for name in names))
            finally:
                watching.cancel()
    return _show(runs, shell, view)


async def _watch(api: ApiClient, view: SyncView) -> None:
    """Tell the view how many texts are embedded, while somebody looks at it."""
    while view.is_seen:
        with contextlib.suppress(ToolcribError):  # a gateway of an earlier version does not say
            view.embedded((await api.get("/sync/progress"))["embedded"])
        await asyncio.sleep(_LOOK_EVERY_S)


def _show(runs: list[dict[str, Any]], shell: Shell, view: SyncView) -> Exit:
    if shell.as_json:
        print_json({"runs": runs})
    elif not runs:
        out.print("No server is registered and enabled. See: toolcrib servers list")
    else:
        columns = _COUNTS
        rows = [(run["server"], *(run[column] for column in columns), _remark(run)) for run in runs]
        out.print(table("server", *columns, "", rows=rows, right=columns))
        out.print(view.summary(), markup=False, soft_wrap=True)
    bad = sum(1 for run in runs if run["error"])
    return Exit.DONE if not bad else Exit.FAILED if bad == len(runs) else Exit.PARTLY


async def _sync_one(api: ApiClient, name: str, *, full: bool) -> dict[str, Any]:
    try:
        run: dict[str, Any] = await api.post(path("servers", name, "sync") + ("?full=true" if full else ""))
    except ToolcribError as error:
        counts = dict.fromkeys(_COUNTS, 0)
        return {"server": name, **counts, "error": error.message, "warnings": []}
    return run


def _remark(run: dict[str, Any]) -> str:
    if run["error"]:
        return str(run["error"])
    held = f"held: toolcrib servers review {run['server']}" if run["held"] else ""
    first = f"{run['warnings'][0]}" if run["warnings"] else ""
    more = f" (and {len(run['warnings']) - 1} more)" if len(run["warnings"]) > 1 else ""
    return "; ".join(filter(None, (held, f"{first}{more}")))

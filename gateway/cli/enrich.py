"""`toolcrib enrich`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

import typer

from gateway.api_client import ApiClient
from gateway.cli.connection import connect
from gateway.cli.output import Exit, out, print_json, progress
from gateway.cli.shell import Shell, command


@command
async def enrich(
    server: Annotated[str | None, typer.Argument(help="Only this server's tools.")] = None, *, shell: Shell
) -> Exit:
    """Have the language model write questions that tools answer; goes on where the last run was broken off."""
    total: dict[str, Any] = {"tools": 0, "asked": 0, "questions": 0, "failed": []}
    async with connect(shell.settings) as api:
        servers = (await api.get("/servers"))["servers"]
        known = sum(one["tools"] for one in servers if server in {None, one["server"]})
        with progress() as bar:
            task = bar.add_task("Writing questions", total=known)
            async for step in _steps(api, server):
                for name in total:
                    total[name] += step[name]
                bar.advance(task, step["tools"])
    if shell.as_json:
        print_json(total)
    else:
        out.print(
            f"{total['tools']} tools, {total['questions']} questions; the model was asked about {total['asked']} tools"
            + (f" and wrote nothing usable for {', '.join(total['failed'])}." if total["failed"] else "."),
            markup=False,
        )
    return Exit.PARTLY if total["failed"] else Exit.DONE


async def _steps(api: ApiClient, server: str | None) -> AsyncIterator[dict[str, Any]]:
    after: str | None = ""
    while after is not None:
        step: dict[str, Any] = await api.post("/enrich", {"server": server, "after": after})
        after = step["after"]
        yield step

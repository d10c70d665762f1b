"""`toolcrib rl`: what of learning needs no torch. The room `rl` adds its own commands (entry points)."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from domain.errors import InvalidInput
from domain.log_rules import QueryText
from gateway.cli.connection import connect
from gateway.cli.output import err, out, print_json, table
from gateway.cli.shell import Shell, command

app = typer.Typer(help="Learn from usage: export the log, train, evaluate.", no_args_is_help=True)


@app.command()
@command
async def export(
    target: Annotated[Path | None, typer.Option("--out", help="File to write; standard output when none.")] = None,
    after: Annotated[int, typer.Option(help="Only what was logged behind this number.")] = 0,
    *,
    shell: Shell,
) -> None:
    """Write the log of decisions and outcomes as JSON lines, in the form that training reads."""
    count = -1  # the header
    try:
        with nullcontext(sys.stdout) if target is None else target.open("w", encoding="utf-8") as stream:
            async with connect(shell.settings) as api:
                async for line in api.lines("/trajectories", after=after):
                    stream.write(line + "\n")
                    count += 1
    except OSError as error:
        raise InvalidInput(f"{target} cannot be written ({error.strerror}); name another file.") from error
    if target is None:
        return
    if shell.as_json:
        print_json({"steps": count, "file": str(target)})
    else:
        err.print(f"{count} steps in {target}.", markup=False)


@dataclass(frozen=True, slots=True)
class Changes:
    """What is not given stays as it is."""

    retention_days: Annotated[float | None, typer.Option(help="Days for which the log is kept.")] = None
    max_events: Annotated[int | None, typer.Option(help="Most events kept.")] = None
    queries: Annotated[QueryText | None, typer.Option(help="What is kept of queries.")] = None
    arguments: Annotated[bool | None, typer.Option(help="Whether values of arguments are kept.")] = None
    exploration: Annotated[float | None, typer.Option(help="Probability of one further tool, at random.")] = None
    first_place: Annotated[
        float | None, typer.Option(help="Probability that the first of the tools shown is drawn among them.")
    ] = None


@app.command()
@command
async def rules(changes: Changes, shell: Shell) -> None:
    """Show what the log keeps, how much and for how long; with options, change it."""
    given = {name: value for name, value in asdict(changes).items() if value is not None}
    async with connect(shell.settings) as api:
        found = await (api.patch("/trajectories/rules", given) if given else api.get("/trajectories/rules"))
    if shell.as_json:
        print_json(found)
    else:
        out.print(table("rule", "value", rows=list(found.items())))

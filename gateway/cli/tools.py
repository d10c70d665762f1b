"""`toolcrib tools`: what operators lay over tools, and what the server itself says."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from gateway.api_client import path
from gateway.cli.connection import connect
from gateway.cli.output import at, out, print_json, table
from gateway.cli.shell import Shell, command

app = typer.Typer(help="Give tools names and descriptions of your own, and take them away again.", no_args_is_help=True)

Tool = Annotated[str, typer.Argument(help="The tool's name, as agents see it or as `SERVER__TOOL`.")]


@app.command()
@command
async def show(tool: Tool, shell: Shell) -> None:
    """One tool: what its server says, and what is laid over it."""
    async with connect(shell.settings) as api:
        shown = await api.get(path("tools", tool))
    if shell.as_json:
        print_json(shown)
        return
    definition = shown.pop("definition")
    out.print(table("", "", rows=[(key, "" if value is None else value) for key, value in shown.items()]))
    out.print("\nas its server describes it:")
    out.print(json.dumps(definition, indent=2, ensure_ascii=False), markup=False, soft_wrap=True)


@app.command()
@command
async def history(tool: Tool, shell: Shell) -> None:
    """Every version of a tool that is kept: when, what was decided, and by whom."""
    async with connect(shell.settings) as api:
        versions = (await api.get(path("tools", tool, "versions")))["versions"]
    if shell.as_json:
        print_json({"versions": versions})
        return
    rows = [
        (at(version["at"]), version["decision"], version["by"] or "", version["contract_hash"][:12])
        for version in versions
    ]
    out.print(table("at", "decision", "by", "contract", rows=rows))


@app.command()
@command
async def alias(tool: Tool, name: Annotated[str, typer.Argument(help="The new name.")], shell: Shell) -> None:
    """Let agents see a tool under another name. Its original name goes on working."""
    await _change(shell, tool, {"alias": name}, f"{{tool_id}} is now called {name}.")


@app.command()
@command
async def describe(
    tool: Tool, text: Annotated[str, typer.Argument(help="What agents read instead of the server's.")], shell: Shell
) -> None:
    """Let agents read, and search, a description of yours."""
    await _change(shell, tool, {"description": text}, "{tool_id} has a new description.")


@app.command()
@command
async def reset(
    tool: Tool,
    *,
    only_alias: Annotated[bool, typer.Option("--alias", help="Only its name.")] = False,
    only_description: Annotated[bool, typer.Option("--description", help="Only its description.")] = False,
    shell: Shell,
) -> None:
    """Take back what was laid over a tool: agents see it as its server describes it."""
    both = only_alias == only_description
    changes = {"alias": None} if only_alias or both else {}
    changes |= {"description": None} if only_description or both else {}
    await _change(shell, tool, changes, "{tool_id} is shown as its server describes it.")


async def _change(shell: Shell, tool: str, changes: dict[str, Any], said: str) -> None:
    async with connect(shell.settings) as api:
        shown = await api.patch(path("tools", tool), changes)
    if shell.as_json:
        print_json(shown)
    else:
        out.print(said.format(**shown), markup=False, soft_wrap=True)

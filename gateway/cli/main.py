"""`toolcrib`: assembles the commands, turns errors into one sentence and an exit code."""

from __future__ import annotations

import importlib.metadata
import logging
import sys
from typing import Annotated

import typer

from domain.errors import ToolcribError
from gateway.cli import (
    call,
    doctor,
    enrich,
    evaluate,
    evaluate_learnt,
    evaluate_memory,
    import_servers,
    policies,
    review,
    rl,
    search,
    secrets,
    serve,
    servers,
    sessions,
    stdio,
    sync,
    tools,
)
from gateway.cli.output import Exit, err

app = typer.Typer(
    name="toolcrib",
    help="The tool room between agents and MCP servers: register servers, find, check out and call their tools.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("serve")(serve.serve)
app.command("stdio")(stdio.stdio)
servers.app.command("import")(import_servers.import_files)
for decide in (review.review, review.approve, review.reject, review.pin, review.unpin, review.relaunch):
    servers.app.command()(decide)
app.add_typer(servers.app, name="servers")
app.command("sync")(sync.sync)
app.add_typer(tools.app, name="tools")
app.command("search")(search.search)
app.command("call")(call.call)
app.command("enrich")(enrich.enrich)
app.add_typer(secrets.app, name="secrets")
app.add_typer(sessions.app, name="sessions")
evaluate.app.command("memory")(evaluate_memory.memory)
evaluate.app.command("next-tool")(evaluate_learnt.next_tool)
evaluate.app.command("need")(evaluate_learnt.need)
app.add_typer(evaluate.app, name="eval")
for move in (policies.promote, policies.rollback, policies.status):
    rl.app.command()(move)
app.add_typer(rl.app, name="rl")
app.command("doctor")(doctor.doctor)

ENTRY_POINTS = "toolcrib.commands"
"""Other rooms and packages add commands through this group, so that the command line need not import them."""


def _version(wanted: bool) -> None:  # noqa: FBT001 - typer's callback form
    if wanted:
        sys.stdout.write(f"toolcrib {importlib.metadata.version('toolcrib')}\n")
        raise typer.Exit


@app.callback()
def _root(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log what happens to standard error.")] = False,
) -> None:
    del version
    level = logging.INFO if verbose else logging.WARNING
    logging.basicConfig(stream=sys.stderr, level=level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for wire in ("httpx2", "httpcore2"):  # they log whole URLs, and a server's may hold a key
        logging.getLogger(wire).setLevel(logging.WARNING)
    # The SDK logs what an upstream did wrong with a traceback each; the pool says it in one sentence.
    for requests in ("httpx", "httpx2", "httpcore", "httpcore2"):
        logging.getLogger(requests).setLevel(logging.WARNING)  # they log whole URLs, with the secrets in them
    if not verbose:
        for chatty, quiet in (("mcp", logging.CRITICAL), ("alembic", logging.WARNING), ("uvicorn", logging.WARNING)):
            logging.getLogger(chatty).setLevel(quiet)


def _join(name: str, commands: typer.Typer) -> None:
    """Commands under a name that we have join ours; others are a group of their own."""
    ours = next((group.typer_instance for group in app.registered_groups if group.name == name), None)
    if ours is None:
        app.add_typer(commands, name=name)
    else:
        ours.registered_commands += commands.registered_commands


def main() -> None:
    """The console script."""
    for entry in importlib.metadata.entry_points(group=ENTRY_POINTS):
        _join(entry.name, entry.load())
    try:
        app(standalone_mode=True)
    except ToolcribError as error:
        err.print(f"toolcrib: {error.message}", markup=False, soft_wrap=True)
        sys.exit(Exit.FAILED)
    except KeyboardInterrupt:
        sys.exit(130)

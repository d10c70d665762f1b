"""`toolcrib secrets`: the keys that seal credentials at rest."""

from __future__ import annotations

import typer

from gateway.cli.connection import connect
from gateway.cli.output import out, print_json
from gateway.cli.shell import Shell, command

app = typer.Typer(help="The keys that seal the servers' credentials.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keeps `rotate` a subcommand while it is the only one."""


@app.command()
@command
async def rotate(shell: Shell) -> None:
    """Seal every credential anew under a new key; a gateway goes on serving meanwhile.

    With TOOLCRIB_SECRETS_KEY, first put the new key in front of the old one in that setting, then restart.
    """
    async with connect(shell.settings) as api:
        done = await api.post("/secrets/rotate")
    if shell.as_json:
        print_json(done)
    else:
        out.print(f"{done['resealed']} credentials are sealed with a new key; renew your copy of the key file.")

"""`toolcrib secrets`: the keys that seal credentials at rest, and OAuth clients registered by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from domain.errors import InvalidInput
from gateway.api_client import path
from gateway.cli.connection import connect
from gateway.cli.output import out, print_json
from gateway.cli.shell import Shell, command

app = typer.Typer(help="The keys that seal credentials; OAuth clients.", no_args_is_help=True)


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


@app.command("oauth-client")
@command
async def oauth_client(
    name: Annotated[str, typer.Argument(help="The server's name.")],
    client_id: Annotated[str, typer.Argument(help="The client's id at the server's authorization server.")],
    secret_file: Annotated[
        Path | None, typer.Option(help="File with the client's secret; none: it has no secret.")
    ] = None,
    *,
    shell: Shell,
) -> None:
    """Use a client that you registered by hand, where the authorization server takes no unknown ones.

    Register it there with the redirect URI http://127.0.0.1:PORT/oauth/callback of your gateway.
    """
    secret = None if secret_file is None else _read(secret_file)
    async with connect(shell.settings) as api:
        done = await api.put(path("servers", name, "oauth-client"), {"client_id": client_id, "client_secret": secret})
    if shell.as_json:
        print_json(done)
    else:
        out.print(f"{name} uses that client at {done['issuer']}.", markup=False, soft_wrap=True)


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{file} cannot be read; it should hold the client's secret.") from error

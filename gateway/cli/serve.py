"""`toolcrib serve`."""

from __future__ import annotations

import asyncio
import logging
from typing import Annotated

import typer

from gateway.cli.output import err
from gateway.cli.shell import Shell, command


@command
async def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on (loopback).", show_default="127.0.0.1")] = None,
    port: Annotated[
        int | None, typer.Option(help="Port; 0 takes a free one.", show_default="8420", min=0, max=65535)
    ] = None,
    *,
    shell: Shell,
) -> None:
    """Serve MCP, the HTTP API and the start page until interrupted."""
    from gateway.runner import run_gateway  # noqa: PLC0415 - the engines, which no other command has to load

    flags = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    settings = shell.settings.model_copy(update=flags)
    logging.getLogger().setLevel(settings.log_level)
    async with run_gateway(settings) as running:
        err.print(f"Toolcrib serves {settings.data}", soft_wrap=True)
        err.print(f"  MCP       {running.url}/mcp\n  HTTP API  {running.url}/api/v1\n  start     {running.url}/")
        await asyncio.shield(running.finished)

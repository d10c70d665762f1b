"""`toolcrib serve`."""

from __future__ import annotations

import logging
from typing import Annotated

import typer

from gateway.cli.options import Data, make_settings
from gateway.cli.output import err
from gateway.runner import run_async, run_gateway
from gateway.settings import Settings


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on (loopback).", show_default="127.0.0.1")] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 takes a free one.", show_default="8420")] = None,
    data: Data = None,
) -> None:
    """Serve MCP, the HTTP API and the start page until interrupted."""
    settings = make_settings(host=host, port=port, data=data)
    logging.getLogger().setLevel(settings.log_level.upper())
    run_async(_serve(settings))


async def _serve(settings: Settings) -> None:
    async with run_gateway(settings) as running:
        err.print(f"Toolcrib serves {settings.data}", soft_wrap=True)
        err.print(f"  MCP       {running.url}/mcp\n  HTTP API  {running.url}/api/v1\n  start     {running.url}/")
        await running.finished

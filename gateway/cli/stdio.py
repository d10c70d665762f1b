"""`toolcrib stdio`."""

from __future__ import annotations

from gateway.cli.shell import Shell, command


@command
async def stdio(shell: Shell) -> None:
    """The same MCP surface over standard input and output, for desktop hosts.

    The first process on a data folder runs the gateway; later ones attach to it, and one of them takes over when
    it ends.
    """
    from mcp.server.stdio import stdio_server  # noqa: PLC0415 - the engines, which no other command has to load

    from gateway.link import GatewayLink  # noqa: PLC0415
    from gateway.mcp.server import make_mcp_server, read_instructions  # noqa: PLC0415

    async with GatewayLink(shell.settings) as link:
        server = make_mcp_server(lambda: link, await read_instructions(link))
        async with stdio_server() as (read_stream, write_stream):
            await server.run(read_stream, write_stream, server.create_initialization_options())

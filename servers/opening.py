"""The transport of a server's launch: one way in for all of them."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from domain.servers import Transport, UpstreamServer
from servers.children.stdio import stdio_streams
from servers.limits import Limits
from servers.transports.http import http_streams
from servers.transports.wire import TransportStreams, WireNotes


def open_streams(
    server: UpstreamServer, limits: Limits, notes: WireNotes
) -> AbstractAsyncContextManager[TransportStreams]:
    """Message streams to `server`, open while the context is. What went wrong is in `notes` or raised."""
    if server.launch.transport is Transport.STDIO:
        return stdio_streams(server, limits, notes)
    return http_streams(server, limits, notes)

"""The SDK's streamable HTTP transport, with one thing kept that it forgets: on which request's stream a message came.

A server's question or log line belongs to the request on whose response stream it travels. The SDK's client merges all
streams into one; here every message carries the id of that request as metadata. Refuses to know: what messages mean.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, cast

import anyio
import httpx2
from mcp.client.streamable_http import RequestContext, StreamableHTTPTransport
from mcp.shared._context_streams import ContextSendStream, create_context_streams
from mcp.shared.message import ServerMessageMetadata, SessionMessage
from mcp_types import JSONRPCRequest, RequestId

from servers.transports.wire import TransportStreams, WireNotes

_Inbound = ContextSendStream[SessionMessage | Exception]


class _Stamping:
    """A stream writer that marks what passes with the request it belongs to."""

    def __init__(self, inner: _Inbound, request_id: RequestId | None) -> None:
        self._inner = inner
        self._request_id = request_id

    async def send(self, item: SessionMessage | Exception) -> None:
        if isinstance(item, SessionMessage):
            item = replace(item, metadata=ServerMessageMetadata(related_request_id=self._request_id))
        # Nobody reads any more: the connection is being closed, and the SDK would log that as an error of the server.
        with contextlib.suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
            await self._inner.send(item)


class TaggedTransport(StreamableHTTPTransport):
    """The SDK's transport; messages of a request's own stream are marked with its id."""

    notes: WireNotes | None = None

    async def _handle_sse_event(
        self,
        sse: httpx2.ServerSentEvent,
        read_stream_writer: _Inbound,
        original_request_id: RequestId | None = None,
        resumption_callback: Callable[[str], Awaitable[None]] | None = None,
    ) -> bool:
        marked = cast(Any, _Stamping(read_stream_writer, original_request_id))
        return await super()._handle_sse_event(sse, marked, original_request_id, resumption_callback)

    async def _handle_reconnection(
        self, ctx: RequestContext, last_event_id: str, retry_interval_ms: int | None = None, attempt: int = 0
    ) -> None:
        """A server that wants its client to poll (SEP-1699) ends the stream early; the SDK comes back for the rest."""
        message = ctx.session_message.message
        if attempt == 0 and isinstance(message, JSONRPCRequest) and self.notes and self.notes.on_stream_end:
            self.notes.on_stream_end(message.id)
        await super()._handle_reconnection(ctx, last_event_id, retry_interval_ms, attempt)


@asynccontextmanager
async def tagged_streams(
    url: str, client: httpx2.AsyncClient, cap: int, notes: WireNotes
) -> AsyncIterator[TransportStreams]:
    """What `mcp.client.streamable_http.streamable_http_client` does, over a TaggedTransport."""
    transport = TaggedTransport(url, max_sse_event_size=cap)
    transport.notes = notes
    notes.has_session = lambda: transport.session_id is not None
    inbound, read = create_context_streams[SessionMessage | Exception](0)
    write, outbound = create_context_streams[SessionMessage](0)
    async with inbound, read, write, outbound, anyio.create_task_group() as tasks:

        def start_get_stream() -> None:
            tasks.start_soon(transport.handle_get_stream, client, inbound)

        tasks.start_soon(transport.post_writer, client, outbound, inbound, write, start_get_stream, tasks)
        try:
            yield read, write
        finally:
            if transport.session_id:
                await transport.terminate_session(client)
            tasks.cancel_scope.cancel()

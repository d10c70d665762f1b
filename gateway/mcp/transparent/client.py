"""The client behind the message that is being served: what it declared, and the two ways back to it.

The one file that looks into the SDK's session: its public methods take typed models, which would drop what they do
not know.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from mcp.server.connection import Connection
from mcp.server.context import ServerRequestContext
from mcp.shared.dispatcher import DispatchContext
from mcp_types import CLIENT_CAPABILITIES_META_KEY, CLIENT_INFO_META_KEY
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from servers.relay.hello import Hello

Context = ServerRequestContext[Any, Any]


class Client:
    """Valid while its message is served; `connection` is the session's in the handshake era."""

    def __init__(self, context: Context) -> None:
        self.method = context.method
        self.params: Mapping[str, Any] = context.params or {}
        self.request_id = context.request_id
        self.version = context.protocol_version
        self.connection: Connection = context.session._connection  # noqa: SLF001 - see the module's docstring
        self._end_stream = context.close_sse_stream
        self._request: DispatchContext[Any] = context.session._request_outbound  # noqa: SLF001

    @property
    def modern(self) -> bool:
        return self.version in MODERN_PROTOCOL_VERSIONS

    @property
    def meta(self) -> Mapping[str, Any]:
        meta = self.params.get("_meta")
        return meta if isinstance(meta, Mapping) else {}

    def hello(self) -> Hello:
        """What a client of the current revision says with every request, as it said it."""
        capabilities, info = self.meta.get(CLIENT_CAPABILITIES_META_KEY), self.meta.get(CLIENT_INFO_META_KEY)
        hello = Hello(capabilities if isinstance(capabilities, Mapping) else {})
        return hello if not isinstance(info, Mapping) else Hello(hello.capabilities, info)

    async def tell(self, method: str, params: Mapping[str, Any] | None) -> None:
        """A notification on this request's stream."""
        await self._request.notify(method, params)

    async def end_stream(self) -> None:
        """Have the client come back for the rest, if it knows how (since 2025-11-25)."""
        if self._end_stream is not None:
            await self._end_stream()

    async def ask(self, method: str, params: Mapping[str, Any] | None) -> dict[str, Any]:
        """A request on this request's stream. Raises MCPError with the client's own error."""
        return await self._request.send_raw_request(method, params)

    def on_close(self, work: Callable[[], Awaitable[None]]) -> None:
        """When the session ends."""
        self.connection.exit_stack.push_async_callback(work)

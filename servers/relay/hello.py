"""How a relay introduces itself: as its client, word for word, and keeps the server's own introduction as it came."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mcp.shared.inbound import MCP_METHOD_HEADER, MCP_PROTOCOL_VERSION_HEADER
from mcp.shared.jsonrpc_dispatcher import JSONRPCDispatcher
from mcp_types import (
    CLIENT_CAPABILITIES_META_KEY,
    CLIENT_INFO_META_KEY,
    PROTOCOL_VERSION_META_KEY,
    SERVER_INFO_META_KEY,
    DiscoverResult,
    Implementation,
    ServerCapabilities,
)
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, LATEST_HANDSHAKE_VERSION, MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

from servers.requests import CLIENT_INFO
from servers.sendable import require_json


@dataclass(frozen=True, slots=True)
class Hello:
    """What the client said about itself, as JSON. Raises InvalidInput for what cannot be sent."""

    capabilities: Mapping[str, Any] = field(default_factory=dict)
    client_info: Mapping[str, Any] = field(
        default_factory=lambda: CLIENT_INFO.model_dump(by_alias=True, mode="json", exclude_none=True)
    )
    protocol_version: str = LATEST_HANDSHAKE_VERSION  # asked for in a handshake

    def __post_init__(self) -> None:
        require_json(self.capabilities, "The client's capabilities")
        require_json(self.client_info, "The client's words about itself")


class RawHandshake:
    """Implements `servers.negotiation.Handshake` on a bare dispatcher. `said` is what the server answered."""

    def __init__(self, dispatcher: JSONRPCDispatcher[Any], hello: Hello) -> None:
        self._dispatcher = dispatcher
        self._hello = hello
        self._version: str | None = None
        self.said: Mapping[str, Any] = {}

    @property
    def protocol_version(self) -> str | None:
        return self._version

    @property
    def server_capabilities(self) -> ServerCapabilities | None:
        try:
            return ServerCapabilities.model_validate(self.said.get("capabilities") or {}, by_name=False)
        except ValidationError:
            return None

    @property
    def server_info(self) -> Implementation | None:
        try:
            return Implementation.model_validate(server_info(self.said), by_name=False)
        except ValidationError:
            return None

    @property
    def instructions(self) -> str | None:
        text = self.said.get("instructions")
        return text if isinstance(text, str) else None

    async def send_discover(self, version: str) -> dict[str, Any]:
        meta = {
            PROTOCOL_VERSION_META_KEY: version,
            CLIENT_INFO_META_KEY: dict(self._hello.client_info),
            CLIENT_CAPABILITIES_META_KEY: dict(self._hello.capabilities),
        }
        headers = {MCP_PROTOCOL_VERSION_HEADER: version, MCP_METHOD_HEADER: "server/discover"}
        self.said = await self._dispatcher.send_raw_request(
            "server/discover", {"_meta": meta}, {"headers": headers, "cancel_on_abandon": False}
        )
        return dict(self.said)

    def adopt(self, result: DiscoverResult) -> None:
        self._version = [known for known in MODERN_PROTOCOL_VERSIONS if known in result.supported_versions][-1]

    async def initialize(self) -> None:
        params = {
            "protocolVersion": self._hello.protocol_version,
            "capabilities": dict(self._hello.capabilities),
            "clientInfo": dict(self._hello.client_info),
        }
        said = await self._dispatcher.send_raw_request("initialize", params, {"cancel_on_abandon": False})
        version = said.get("protocolVersion")
        if version not in HANDSHAKE_PROTOCOL_VERSIONS:
            raise RuntimeError(f"the server settled on an unknown protocol version {version!r}")
        self.said, self._version = said, version
        headers = {MCP_PROTOCOL_VERSION_HEADER: version}
        await self._dispatcher.notify("notifications/initialized", None, {"headers": headers})


def server_info(said: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Who the server says it is: in a handshake's result, or stamped on a current one's."""
    meta = said.get("_meta")
    stamped = meta.get(SERVER_INFO_META_KEY) if isinstance(meta, Mapping) else None
    info = stamped or said.get("serverInfo")
    return info if isinstance(info, Mapping) else None

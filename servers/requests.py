"""Requests whose results stay as they came: the JSON object of the reply, unknown keywords included.

The SDK's typed methods drop what their models do not know and refuse a whole listing for one bad entry. This sends
through its dispatcher instead, with the stamps each era wants (protocol 1.2, headers).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mcp.shared.dispatcher import CallOptions
from mcp.shared.inbound import (
    MCP_METHOD_HEADER,
    MCP_NAME_HEADER,
    MCP_PROTOCOL_VERSION_HEADER,
    NAME_BEARING_METHODS,
    encode_header_value,
    mcp_param_headers,
)
from mcp.shared.jsonrpc_dispatcher import JSONRPCDispatcher
from mcp_types import CLIENT_CAPABILITIES_META_KEY, CLIENT_INFO_META_KEY, PROTOCOL_VERSION_META_KEY, Implementation

from servers.negotiation import Era, Peer

CLIENT_INFO = Implementation(name="toolcrib", version="0.1.0")
_CLIENT_INFO = CLIENT_INFO.model_dump(by_alias=True, mode="json", exclude_none=True)

HeaderMap = Mapping[tuple[str, ...], str]
"""Path of an argument -> the header that mirrors it (`x-mcp-header` in a tool's schema)."""


@dataclass(frozen=True, slots=True)
class RawRequest:
    """A request before it is stamped. `params` may carry a `_meta` of its own."""

    method: str
    params: Mapping[str, Any]
    mirrored: HeaderMap | None = None  # for tools/call: what the called tool wants mirrored


async def send_raw(dispatcher: JSONRPCDispatcher[Any], peer: Peer, request: RawRequest) -> dict[str, Any]:
    """The result object of the reply. Raises MCPError for an error reply or a connection that ended."""
    params, headers = stamped(peer, request)
    options: CallOptions = {"headers": headers}
    return await dispatcher.send_raw_request(request.method, params, options)


def stamped(peer: Peer, request: RawRequest) -> tuple[dict[str, Any], dict[str, str]]:
    """Params and HTTP headers as the peer's era wants them."""
    params = dict(request.params)
    headers = {MCP_PROTOCOL_VERSION_HEADER: peer.protocol_version}
    if peer.era is Era.MODERN:
        params["_meta"] = {
            **params.get("_meta", {}),
            PROTOCOL_VERSION_META_KEY: peer.protocol_version,
            CLIENT_INFO_META_KEY: _CLIENT_INFO,
            CLIENT_CAPABILITIES_META_KEY: {},
        }
        headers |= _modern_headers(request, params)
    return params, headers


def _modern_headers(request: RawRequest, params: Mapping[str, Any]) -> dict[str, str]:
    headers = {MCP_METHOD_HEADER: request.method}
    name = params.get(NAME_BEARING_METHODS.get(request.method, ""))
    if isinstance(name, str):
        headers[MCP_NAME_HEADER] = encode_header_value(name)
    if request.mirrored:
        headers |= mcp_param_headers(request.mirrored, params.get("arguments") or {})
    return headers

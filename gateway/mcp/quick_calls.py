"""Which tool calls of the current revision are plain, and their answer: the SDK's rules without its layers.

Every request stands alone there, so a plain `tools/call` needs neither session nor task group nor models. What is not
plain, or not right, is None here and goes to the SDK's application, which says what is wrong with it.

Refuses to know: what tools there are, connections (`gateway.mcp.quick_http`), and the handshake era.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from mcp.shared.exceptions import MCPError
from mcp.shared.inbound import (
    ERROR_CODE_HTTP_STATUS,
    MCP_METHOD_HEADER,
    MCP_NAME_HEADER,
    MCP_PROTOCOL_VERSION_HEADER,
    decode_header_value,
)
from mcp_types import CLIENT_CAPABILITIES_META_KEY, CLIENT_INFO_META_KEY, PROTOCOL_VERSION_META_KEY
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from gateway.http_guard import refusal
from servers.direct import json_bytes
from servers.direct.plain_head import body_length, read_fields

Answer = Callable[[str, Mapping[str, Any]], Awaitable[Mapping[str, Any]]]
"""Tool name and arguments -> the CallToolResult as JSON. Raises MCPError."""

BODY_BYTES = 4 * 1024 * 1024  # what the SDK takes; a larger one is left for it to refuse

_KNOWN = frozenset({"name", "arguments", "_meta"})
_VERSIONS = frozenset(version.encode() for version in MODERN_PROTOCOL_VERSIONS)
_LINE = b"POST /mcp HTTP/1.1"
_METHOD, _VERSION = MCP_METHOD_HEADER.encode(), MCP_PROTOCOL_VERSION_HEADER.encode()
_NAME = MCP_NAME_HEADER.encode()


class PlainHead(NamedTuple):
    """What the head of a POST says that may be a plain call."""

    length: int  # of its body
    version: str
    name: str


@lru_cache(maxsize=256)  # a client's heads differ in little but the tool's name and the length
def plain_head(head: bytes) -> PlainHead | None:
    """None for the head of anything that the application has to judge. All is asked that it asks of every request."""
    line, _, lines = head.partition(b"\r\n")
    fields = read_fields(lines) if line == _LINE else None
    if fields is None:
        return None
    length = body_length(fields)
    accepted = fields.get(b"accept", b"")
    name = decode_header_value(fields[_NAME].decode("latin-1")) if _NAME in fields else None
    plain = (
        fields.get(_METHOD) == b"tools/call"
        and fields.get(_VERSION) in _VERSIONS
        and b"application/json" in accepted
        and b"text/event-stream" in accepted
        and fields.get(b"content-type", b"").partition(b";")[0].strip() == b"application/json"
        and not _is_refused(fields)
    )
    if not plain or name is None or length is None or length > BODY_BYTES:
        return None
    return PlainHead(length, fields[_VERSION].decode(), name)


def plain_call(body: bytes | bytearray, head: PlainHead) -> Mapping[str, Any] | None:
    """The request in `body`; None when there is anything about it that the SDK has to judge."""
    try:
        call = json_bytes.parse(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(call, dict) or call.get("method") != "tools/call" or call.get("jsonrpc") != "2.0":
        return None
    params, number = call.get("params"), call.get("id")
    if not isinstance(params, dict) or not isinstance(number, int | str) or isinstance(number, bool):
        return None
    return call if _is_plain(params) and _fits_head(params, head) else None


async def respond(call: Mapping[str, Any], answer: Answer) -> tuple[int, bytes]:
    """HTTP status and JSON-RPC response to a plain call."""
    params = call["params"]
    message: dict[str, Any] = {"jsonrpc": "2.0", "id": call["id"]}
    status = 200
    try:
        message["result"] = await answer(params["name"], params.get("arguments") or {})
    except MCPError as error:
        message["error"] = _error_json(error)
        status = ERROR_CODE_HTTP_STATUS.get(error.code, 200)
    return status, json_bytes.write(message)


def _is_plain(params: Mapping[str, Any]) -> bool:
    """Whether they hold what every call holds, rightly typed, and nothing else: no progress, no answers."""
    meta = params.get("_meta")
    return (
        isinstance(params.get("name"), str)
        and isinstance(params.get("arguments"), dict | None)
        and not params.keys() - _KNOWN
        and isinstance(meta, dict)
        and "progressToken" not in meta
        and isinstance(meta.get(CLIENT_INFO_META_KEY, {}), dict)
        and isinstance(meta.get(CLIENT_CAPABILITIES_META_KEY, {}), dict)
    )


def _fits_head(params: Mapping[str, Any], head: PlainHead) -> bool:
    """Whether the body says what the headers say, as `mcp.shared.inbound.classify_inbound_request` wants it."""
    meta = params["_meta"]
    return (
        CLIENT_CAPABILITIES_META_KEY in meta
        and meta.get(PROTOCOL_VERSION_META_KEY) == head.version
        and params["name"] == head.name
    )


def _is_refused(fields: Mapping[bytes, bytes]) -> bool:
    host, origin = fields.get(b"host", b"").decode("latin-1"), fields.get(b"origin")
    return refusal(host, None if origin is None else origin.decode("latin-1"), "POST", "/mcp") is not None


def _error_json(error: MCPError) -> dict[str, Any]:
    body: dict[str, Any] = {"code": error.code, "message": error.message}
    if error.data is not None:
        body["data"] = error.data
    return body

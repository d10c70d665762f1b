"""What each side says it can do, told to the other in the words of its era. Pure functions on JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from mcp import MCPError
from mcp_types import INTERNAL_ERROR, INVALID_PARAMS, SERVER_INFO_META_KEY
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS

from servers.relay.hello import server_info

MISSING_CAPABILITY = -32021
SERVED_VERSIONS = [*HANDSHAKE_PROTOCOL_VERSIONS, *MODERN_PROTOCOL_VERSIONS]
TASKS_EXTENSION = "io.modelcontextprotocol/tasks"
_NEEDS = {"elicitation/create": "elicitation", "sampling/createMessage": "sampling", "roots/list": "roots"}


def announces(capabilities: Mapping[str, Any], kind: str, what: str) -> bool:
    """Whether a server says of its tools, prompts or resources that they do `what`."""
    return bool(as_object(capabilities.get(kind)).get(what))


def as_object(value: object) -> Mapping[str, Any]:
    """What should be a JSON object, or an empty one: peers send what they like."""
    return value if isinstance(value, Mapping) else {}


def offered(said: Mapping[str, Any]) -> dict[str, Any]:
    """The server's capabilities without tasks, which are not passed on."""
    kept = dict(as_object(said.get("capabilities")))
    kept.pop("tasks", None)
    extensions = kept.get("extensions")
    if isinstance(extensions, Mapping) and TASKS_EXTENSION in extensions:
        kept["extensions"] = {name: value for name, value in extensions.items() if name != TASKS_EXTENSION}
    return kept


def discovery(said: Mapping[str, Any]) -> dict[str, Any]:
    """A server's introduction as the answer to `server/discover`, whichever era it was made in."""
    result = {key: value for key, value in said.items() if key not in {"protocolVersion", "serverInfo"}}
    result["resultType"] = "complete"
    result["supportedVersions"] = SERVED_VERSIONS
    result["capabilities"] = offered(said)
    result.setdefault("ttlMs", 0)
    result.setdefault("cacheScope", "private")
    info = server_info(said)
    stamp = {SERVER_INFO_META_KEY: info} if info is not None else {}
    result["_meta"] = {**as_object(said.get("_meta")), **stamp}
    return result


def initialization(said: Mapping[str, Any], slug: str, version: str) -> dict[str, Any]:
    """A server's introduction as the answer to `initialize`, whichever era it was made in."""
    left = {"protocolVersion", "supportedVersions", "resultType", "ttlMs", "cacheScope"}
    result = {key: value for key, value in said.items() if key not in left}
    result["protocolVersion"] = version
    result["capabilities"] = offered(said)
    result["serverInfo"] = server_info(said) or {"name": slug, "version": ""}
    return result


def questions_of(result: Mapping[str, Any]) -> Mapping[str, Any]:
    """The input requests of a round. Raises MCPError when they are none."""
    requests = result.get("inputRequests", {})
    if not isinstance(requests, Mapping):
        raise MCPError(INTERNAL_ERROR, "The server asks for input without saying which; report it to its author")
    return requests


def require_declared(capabilities: Mapping[str, Any], asked: object) -> None:
    """Refuse to pass on a question that its client never offered to answer. Raises MCPError -32021."""
    request = as_object(asked)
    method, params = request.get("method"), as_object(request.get("params"))
    needed = _NEEDS.get(method) if isinstance(method, str) else None
    if needed is None:
        raise MCPError(INVALID_PARAMS, f"The server asks its client for {method!r}, which is no request to a client")
    mode = params.get("mode")
    declared = capabilities.get(needed)
    if not isinstance(declared, Mapping) or (needed == "elicitation" and not _has_mode(declared, mode)):
        wanted: dict[str, Any] = {"url": {}} if mode == "url" else {}
        raise MCPError(
            MISSING_CAPABILITY,
            f"The server needs the client capability {needed!r}, which this client did not declare",
            {"requiredCapabilities": {needed: wanted}},
        )
    if mode == "url":
        _require_web_address(params.get("url"))


def _has_mode(declared: Mapping[str, Any], mode: object) -> bool:
    """An empty declaration means forms, as it did before there were modes."""
    return "url" in declared if mode == "url" else not declared or "form" in declared


def _require_web_address(url: object) -> None:
    try:
        scheme = urlsplit(url).scheme if isinstance(url, str) else ""
    except ValueError:  # brackets that do not close
        scheme = ""
    if scheme not in {"http", "https"}:
        raise MCPError(
            INVALID_PARAMS, "The server asks to open an address that is no web address; it was not passed on"
        )

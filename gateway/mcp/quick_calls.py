"""A short way in for tool calls of the current revision: one POST, one JSON answer, the SDK's rules without its layers.

Every request stands alone there, so a plain `tools/call` needs neither session nor task group nor models. What is not
plain, or not right, is handed on untouched to the SDK's application behind, which says what is wrong with it. Long
calls end as an event stream that is kept alive; a client that leaves cancels its call.

Refuses to know: what tools there are, and the handshake era.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from mcp.shared.exceptions import MCPError
from mcp.shared.inbound import (
    ERROR_CODE_HTTP_STATUS,
    MCP_METHOD_HEADER,
    MCP_PROTOCOL_VERSION_HEADER,
    InboundModernRoute,
    classify_inbound_request,
    find_duplicated_routing_header,
)
from mcp_types import CLIENT_CAPABILITIES_META_KEY, CLIENT_INFO_META_KEY
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from starlette.types import ASGIApp, Message, Receive, Scope, Send

Answer = Callable[[str, Mapping[str, Any]], Awaitable[Mapping[str, Any]]]
"""Tool name and arguments -> the CallToolResult as JSON. Raises MCPError."""

BODY_BYTES = 4 * 1024 * 1024  # what the SDK takes; a larger one is left for it to refuse
LOOK_S = 0.05  # a call that takes longer is watched: whether its client is still there
PING_S = 15.0  # the first ping turns the answer into a stream; proxies close what is silent for longer

_OBJECTS = (CLIENT_INFO_META_KEY, CLIENT_CAPABILITIES_META_KEY)
_compact = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
_KNOWN = frozenset({"name", "arguments", "_meta"})
_STREAM = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
]


class QuickCalls:
    """ASGI middleware in front of the MCP address `path`."""

    def __init__(self, app: ASGIApp, path: str, answer: Answer) -> None:
        self._app = app
        self._path = path
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != self._path or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        headers = _headers(scope["headers"])
        if headers is None:
            await self._app(scope, receive, send)
            return
        body, complete = await _read(receive)
        call = _plain_call(body, headers) if complete else None
        if call is None:
            await self._app(scope, _again(body, receive, complete=complete), send)
            return
        await self._serve(call, receive, send)

    async def _serve(self, call: Mapping[str, Any], receive: Receive, send: Send) -> None:
        params = call["params"]
        caller = asyncio.current_task()
        assert caller is not None
        watch = _Watch(caller, receive, send)
        try:
            result = await self._answer(params["name"], params.get("arguments") or {})
            message = {"jsonrpc": "2.0", "id": call["id"], "result": result}
            status = 200
        except MCPError as error:
            message = {"jsonrpc": "2.0", "id": call["id"], "error": _error_json(error)}
            status = ERROR_CODE_HTTP_STATUS.get(error.code, 200)
        except asyncio.CancelledError:
            if not watch.client_left:
                raise
            caller.uncancel()
            return  # nobody is there to answer
        finally:
            await watch.end()
        await _send(message, status, send, streaming=watch.streaming)


class _Watch:
    """Looks after a call that takes a while: cancels it when its client leaves, pings while it stays."""

    def __init__(self, caller: asyncio.Task[Any], receive: Receive, send: Send) -> None:
        self.client_left = False
        self.streaming = False
        self._receive = receive
        self._send = send
        self._task: asyncio.Task[None] | None = None
        self._timer = asyncio.get_running_loop().call_later(LOOK_S, self._begin, caller)

    async def end(self) -> None:
        self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    def _begin(self, caller: asyncio.Task[Any]) -> None:
        self._task = asyncio.create_task(self._look(caller))

    async def _look(self, caller: asyncio.Task[Any]) -> None:
        leaving = asyncio.ensure_future(self._receive())
        try:
            while True:
                done, _ = await asyncio.wait({leaving}, timeout=PING_S)
                if done:
                    self.client_left = True
                    caller.cancel()
                    return
                await self._ping()
        finally:
            leaving.cancel()

    async def _ping(self) -> None:
        if not self.streaming:
            self.streaming = True
            await self._send({"type": "http.response.start", "status": 200, "headers": _STREAM})
        await self._send({"type": "http.response.body", "body": b": ping\r\n\r\n", "more_body": True})


def _headers(raw: Sequence[tuple[bytes, bytes]]) -> dict[str, str] | None:
    """The headers of what may be a plain call of the current revision, None for everything else."""
    pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in raw]
    headers = dict(pairs)
    accepted = headers.get("accept", "")
    plain = (
        headers.get(MCP_METHOD_HEADER) == "tools/call"
        and headers.get(MCP_PROTOCOL_VERSION_HEADER) in MODERN_PROTOCOL_VERSIONS
        and "application/json" in accepted
        and "text/event-stream" in accepted
        and headers.get("content-type", "").partition(";")[0].strip() == "application/json"
        and find_duplicated_routing_header(pairs) is None
    )
    return headers if plain else None


async def _read(receive: Receive) -> tuple[bytes, bool]:
    """The body, and whether it is all of it: more than `BODY_BYTES` is not read here."""
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return b"".join(chunks), False
        chunk = message.get("body", b"")
        chunks.append(chunk)
        size += len(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks), True
        if size > BODY_BYTES:
            return b"".join(chunks), False


def _plain_call(body: bytes, headers: Mapping[str, str]) -> Mapping[str, Any] | None:
    """The request in `body`; None when there is anything about it that the SDK has to judge."""
    try:
        call = json.loads(body) if len(body) <= BODY_BYTES else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(call, dict) or call.get("method") != "tools/call" or call.get("jsonrpc") != "2.0":
        return None
    params, number = call.get("params"), call.get("id")
    if not isinstance(params, dict) or not isinstance(number, int | str) or isinstance(number, bool):
        return None
    if not _is_plain(params):
        return None
    return call if isinstance(classify_inbound_request(call, headers=headers), InboundModernRoute) else None


def _is_plain(params: Mapping[str, Any]) -> bool:
    """Whether they hold what every call holds, rightly typed, and nothing else: no progress, no answers."""
    meta = params.get("_meta")
    return (
        isinstance(params.get("name"), str)
        and isinstance(params.get("arguments"), dict | None)
        and not params.keys() - _KNOWN
        and isinstance(meta, dict)
        and "progressToken" not in meta
        and all(isinstance(meta.get(key, {}), dict) for key in _OBJECTS)
    )


def _again(body: bytes, receive: Receive, *, complete: bool) -> Receive:
    """`receive` for the application behind: first what was read, then what follows."""
    first: list[Message] = [{"type": "http.request", "body": body, "more_body": not complete}]

    async def replay() -> Message:
        return first.pop() if first else await receive()

    return replay


def _error_json(error: MCPError) -> dict[str, Any]:
    body: dict[str, Any] = {"code": error.code, "message": error.message}
    if error.data is not None:
        body["data"] = error.data
    return body


async def _send(message: Mapping[str, Any], status: int, send: Send, *, streaming: bool) -> None:
    body = _compact(message).encode("utf-8", "surrogatepass")
    if streaming:
        await send({"type": "http.response.body", "body": b"event: message\r\ndata: " + body + b"\r\n\r\n"})
        return
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

"""The two HTTP transports, with one habit added to the SDK's: nothing that fails on the wire raises inside it.

The SDK answers a refused connection by cancelling whoever waits (its issue #3560) and forgets the HTTP status of a
refusal. So its HTTP client gets a transport that turns both into a JSON-RPC error reply to the one request concerned,
marked with what happened. Refuses to know: sessions, tools, retries.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Any, cast

import httpx2
from mcp.client.sse import sse_client

from domain.errors import AuthorizationNeeded, UpstreamError, UpstreamProtocolError, UpstreamUnreachable
from domain.servers import Transport, UpstreamServer
from servers.access import AccessTransport
from servers.large_results.spool import Spool, SpoolFull
from servers.limits import KIB, Limits
from servers.transports.socket_options import keep_alive
from servers.transports.spilling import Refusal, SpillingStream, put_aside
from servers.transports.tagged_http import tagged_streams
from servers.transports.tls import tls_context
from servers.transports.wire import TransportStreams, WireNotes

SESSION_HEADER = "mcp-session-id"
_MARK = f"toolcrib-{secrets.token_hex(16)}"
"""Key of our own mark in a made-up reply. Random, so that no upstream can forge one."""

_FAULT_CODE = -32603
_SDK_EVENT_BYTES = 1000 * KIB  # its client for HTTP+SSE takes events of a MiB, names of fields included
_NOT_OURS = frozenset({"host", "content-length", "transfer-encoding", "connection"})


class HttpFault(StrEnum):
    """What went wrong on the wire."""

    CONNECT = "connect"  # no connection: the request was not sent
    BROKEN = "broken"  # the connection ended before the answer did: the request may have been executed
    STATUS = "status"  # an HTTP error without a JSON-RPC error in it
    SESSION = "session"  # the server does not know our session any more: the request was not executed
    MEDIA = "media"  # an answer that is neither JSON nor an event stream
    TOO_LARGE = "too_large"  # an answer over the cap
    UNAUTHORIZED = "unauthorized"  # a person has to allow it: the request was not executed
    ACCESS = "access"  # nobody can allow it: the request was not executed


@dataclass(frozen=True, slots=True)
class HttpFailure:
    """The mark found in a made-up reply."""

    fault: HttpFault
    status: int = 0
    detail: str = ""


def failure_of(data: object) -> HttpFailure | None:
    """Our mark in the `data` of a JSON-RPC error, if it is one of ours."""
    if not isinstance(data, Mapping) or _MARK not in data:
        return None
    mark = cast("Mapping[str, Any]", data)[_MARK]
    return HttpFailure(HttpFault(mark["fault"]), mark["status"], mark["detail"])


class FaultingTransport(httpx2.AsyncBaseTransport):
    """Sends with `inner`; every failure of a POST becomes an answer to it, and every body has a cap."""

    def __init__(self, inner: httpx2.AsyncBaseTransport, cap: int, spool: Spool | None = None) -> None:
        self._inner = inner
        self._cap = cap
        self._spool = spool

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.method != "POST":
            return self._spilling(await self._beside(request), _too_large)
        response = await self._sent(request)
        if isinstance(response, HttpFailure):
            return _made_up(response)
        if response.status_code in {HTTPStatus.ACCEPTED, HTTPStatus.NO_CONTENT} or response.has_redirect_location:
            return response
        if response.is_success and _media(response) == "text/event-stream":
            return self._spilling(response, _too_large)
        return await self._whole(request, response, _media(response))

    def _spilling(self, response: httpx2.Response, refusal: Refusal) -> httpx2.Response:
        """An event stream with its larger events put aside. Without a spool the SDK's cap holds for each."""
        if self._spool is None or not response.is_success or _media(response) != "text/event-stream":
            return response
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        if response.headers.get("content-encoding", "identity") != "identity":
            return response
        stream = SpillingStream(response.stream, self._cap, self._spool, refusal)
        return httpx2.Response(response.status_code, headers=_kept(response), stream=stream)

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def _sent(self, request: httpx2.Request) -> httpx2.Response | HttpFailure:
        """The response's head, or why there is none."""
        try:
            return await self._inner.handle_async_request(request)
        except AuthorizationNeeded as error:
            return HttpFailure(HttpFault.UNAUTHORIZED, 0, error.message)
        except UpstreamError as error:
            return HttpFailure(HttpFault.ACCESS, 0, error.message)
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.UnsupportedProtocol, httpx2.ProxyError) as error:
            return HttpFailure(HttpFault.CONNECT, 0, str(error))
        except httpx2.TransportError as error:
            return HttpFailure(HttpFault.BROKEN, 0, str(error) or type(error).__name__)

    async def _beside(self, request: httpx2.Request) -> httpx2.Response:
        """A stream for notices, or a goodbye: nobody waits for it, so a refusal is enough of an answer."""
        try:
            return await self._inner.handle_async_request(request)
        except UpstreamError:
            return httpx2.Response(HTTPStatus.UNAUTHORIZED)

    async def _whole(self, request: httpx2.Request, response: httpx2.Response, media: str) -> httpx2.Response:
        try:
            body = await self._read(response)
        except httpx2.TransportError as error:
            return _made_up(HttpFailure(HttpFault.BROKEN, response.status_code, str(error) or type(error).__name__))
        finally:
            await response.aclose()
        if isinstance(body, str):
            return _made_up(HttpFailure(HttpFault.TOO_LARGE, response.status_code, body))
        if response.is_success:
            if media != "application/json":
                return _made_up(HttpFailure(HttpFault.MEDIA, response.status_code, media or "no content type"))
            return httpx2.Response(response.status_code, headers=_kept(response), content=body)
        return _refusal(request, response.status_code, body)

    async def _read(self, response: httpx2.Response) -> bytes | str:
        """The raw body, or the small one in its place; as text, why there is none.

        One that is compressed against our wish is not taken: a zip bomb needs that.
        """
        if response.headers.get("content-encoding", "identity") != "identity":
            return "compressed"
        body = bytearray()
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        chunks = aiter(response.stream)
        async for chunk in chunks:
            body += chunk
            if len(body) > self._cap:
                return await self._put_aside(bytes(body), chunks)
        return bytes(body)

    async def _put_aside(self, body: bytes, rest: AsyncIterator[bytes]) -> bytes | str:
        why = f"more than {self._cap} bytes"
        try:
            reply = None if self._spool is None else await put_aside(body, rest, self._spool)
        except SpoolFull as full:
            return f"{why}, and {full}"
        return why if reply is None else json.dumps(reply).encode()


def _media(response: httpx2.Response) -> str:
    media: str = response.headers.get("content-type", "")
    return media.partition(";")[0].strip().lower()


def _refusal(request: httpx2.Request, status: int, body: bytes) -> httpx2.Response:
    """An HTTP error as the JSON-RPC error in its body, or as a made-up one."""
    error = _rpc_error(body)
    if SESSION_HEADER in request.headers and _session_unknown(status, error):
        return _made_up(HttpFailure(HttpFault.SESSION, status))
    if error is None:
        return _made_up(HttpFailure(HttpFault.STATUS, status))
    return httpx2.Response(status, headers={"content-type": "application/json"}, content=body)


def _kept(response: httpx2.Response) -> list[tuple[str, str]]:
    return [(name, value) for name, value in response.headers.multi_items() if name.lower() not in _NOT_OURS]


def _made_up(failure: HttpFailure) -> httpx2.Response:
    """A JSON-RPC error reply; without an id, so that the SDK takes it for the request it was posted with."""
    return httpx2.Response(503, json=_made_up_error(failure))


def _made_up_error(failure: HttpFailure) -> dict[str, Any]:
    mark = {"fault": failure.fault.value, "status": failure.status, "detail": failure.detail}
    error = {"code": _FAULT_CODE, "message": failure.fault.value, "data": {_MARK: mark}}
    return {"jsonrpc": "2.0", "id": None, "error": error}


def _too_large(why: str) -> bytes:
    """In a request's own stream: the SDK takes it for that request."""
    return json.dumps({**_made_up_error(HttpFailure(HttpFault.TOO_LARGE, 0, why)), "id": 0}).encode()


def _rpc_error(body: bytes) -> Mapping[str, Any] | None:
    try:
        reply = json.loads(body)
    except (ValueError, RecursionError):
        return None
    error = reply.get("error") if isinstance(reply, dict) else None
    return error if isinstance(error, dict) and isinstance(error.get("code"), int) else None


def _session_unknown(status: int, error: Mapping[str, Any] | None) -> bool:
    """404 by the specification; some servers say 400 and name the session."""
    if status == HTTPStatus.NOT_FOUND:
        return True
    return status == HTTPStatus.BAD_REQUEST and error is not None and "session" in str(error.get("message", "")).lower()


class BreakingTransport(FaultingTransport):
    """For HTTP+SSE, where a POST is only an acknowledgement: one that fails ends the connection."""

    def __init__(self, inner: httpx2.AsyncBaseTransport, spool: Spool | None, slug: str, notes: WireNotes) -> None:
        super().__init__(inner, _SDK_EVENT_BYTES, spool)
        self._slug = slug
        self._notes = notes

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        try:
            response = await self._inner.handle_async_request(request)
        except UpstreamError as error:
            self._notes.fail(error)
            return httpx2.Response(HTTPStatus.UNAUTHORIZED)
        except httpx2.TransportError as error:
            if request.method == "POST":
                self._fail(f"could not be sent a message ({error})")
            raise
        if request.method == "POST" and response.is_error:
            self._fail(f"refused a message with HTTP {response.status_code}")
        return response if request.method == "POST" else self._spilling(response, self._too_large)

    def _too_large(self, why: str) -> bytes:
        """Nothing says whose answer it would have been, so it ends the connection."""
        self._notes.fail(UpstreamProtocolError(f"Server {self._slug!r} sent too much ({why}); ask it for less."))
        return b""

    def _fail(self, what: str) -> None:
        self._notes.fail(UpstreamUnreachable(f"Server {self._slug!r} {what}; the next request connects again."))


@asynccontextmanager
async def http_streams(server: UpstreamServer, limits: Limits, notes: WireNotes) -> AsyncIterator[TransportStreams]:
    """Message streams over streamable HTTP or HTTP+SSE, whichever the server is registered with."""
    url = server.launch.url
    assert url is not None
    cap = limits.caps.message_bytes
    wire = httpx2.AsyncHTTPTransport(verify=tls_context(), socket_options=keep_alive())
    inner = AccessTransport(wire, limits.access, server)
    if server.launch.transport is Transport.SSE:
        breaking = BreakingTransport(inner, limits.spool, server.slug, notes)

        def factory(
            headers: dict[str, str] | None = None,  # noqa: ARG001 - the SDK hands back what we gave it: nothing
            timeout: httpx2.Timeout | None = None,  # noqa: ARG001 - our deadlines rule
            auth: httpx2.Auth | None = None,  # noqa: ARG001
        ) -> httpx2.AsyncClient:
            return _client(server, limits, breaking)

        async with sse_client(url, httpx_client_factory=factory) as (read, write):
            yield read, write
        return
    async with (
        _client(server, limits, FaultingTransport(inner, cap, limits.spool)) as client,
        tagged_streams(url, client, cap + KIB, notes) as (read, write),
    ):
        yield read, write


def _client(server: UpstreamServer, limits: Limits, transport: httpx2.AsyncBaseTransport) -> httpx2.AsyncClient:
    """A cheap client with the server's headers. Our deadlines rule; only connecting has one of its own here."""
    seconds = httpx2.Timeout(None, connect=limits.deadlines.connect_s)
    headers = {"accept-encoding": "identity", **server.launch.headers}
    return httpx2.AsyncClient(transport=transport, timeout=seconds, headers=headers)

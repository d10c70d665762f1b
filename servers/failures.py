"""Failures of an upstream as one sentence each: what happened, to which server, what to do. Never a secret.

UpstreamUnreachable
├── ConnectionLost   while a request was under way: it may have been executed
├── SessionLost      the server forgot our session: the request was not executed
├── NotSent          the connection ended before the request was taken: the request was not executed
├── NoConnection     none could be made: the request was not executed
├── ServerFault      HTTP 5xx: it may have been executed
├── Unwilling        HTTP 4xx: the server is well, but does not want us
│   └── Estranged    of these, what another era of the protocol, or another program, would answer
└── CircuitOpen      we did not ask, because it kept failing
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from http import HTTPStatus

import httpx2
from mcp import MCPError
from mcp_types import CONNECTION_CLOSED, INVALID_REQUEST, PARSE_ERROR
from pydantic import ValidationError

from domain.errors import (
    AuthorizationFailed,
    AuthorizationNeeded,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamRefused,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from domain.servers import Transport, UpstreamServer
from servers.limits import MIB
from servers.transports.http import HttpFailure, HttpFault, failure_of
from servers.transports.wire import WireNotes

MASK = "[hidden]"
_SHORTEST_SECRET = 6  # shorter values are switches and numbers, and masking them would garble every message
_UPSTREAM_TEXT = 500
_STDERR_LINES = 4
_BEARER = re.compile(r"(?i)\bbearer\s+[\w.~+/=-]{16,}")
_OF_ACCESS = {HttpFault.UNAUTHORIZED: AuthorizationNeeded, HttpFault.ACCESS: AuthorizationFailed}


class ConnectionLost(UpstreamUnreachable):
    """The connection to the upstream server ended while it worked; the next request opens a new one."""


class SessionLost(UpstreamUnreachable):
    """The upstream server forgot our session; the next request opens a new one."""


class NotSent(UpstreamUnreachable):
    """The connection to the upstream server ended before the request was sent; try again."""


class NoConnection(UpstreamUnreachable):
    """No connection to the upstream server could be made, so it was sent nothing; check that it runs."""


class ServerFault(UpstreamUnreachable):
    """The upstream server, or what stands in front of it, answered that it is broken; check its own log."""


class Unwilling(UpstreamUnreachable):
    """The upstream server answered, but does not let us in; check its address and our credentials."""


class Estranged(Unwilling):
    """The upstream server does not understand us any more; the next request finds out anew what it speaks."""


class CircuitOpen(UpstreamUnreachable):
    """The upstream server kept failing, so it is left alone for a moment; try again after the time given."""


class TooLarge(UpstreamProtocolError):
    """The upstream server sent more than is read at once; ask it for less."""


def leaves(error: BaseException) -> Iterator[BaseException]:
    """The exceptions inside nested groups, in order."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from leaves(inner)
    else:
        yield error


def hide_secrets(text: str, server: UpstreamServer) -> str:
    """`text` without the values of the server's environment and headers and without tokens: it may have echoed them."""
    text = _BEARER.sub(f"Bearer {MASK}", text)
    values = {*server.launch.env.values(), *server.launch.headers.values()}
    values |= {word for value in values for word in value.split()}
    for value in sorted(values, key=len, reverse=True):
        if len(value) >= _SHORTEST_SECRET:
            text = text.replace(value, MASK)
    return text


def last_words(server: UpstreamServer, notes: WireNotes) -> str:
    """How a child ended, in brackets, and what it wrote last."""
    code = "" if notes.exit_code is None else f" (exit code {notes.exit_code})"
    lines = [line.strip() for line in notes.stderr.since_mark().splitlines() if line.strip()][-_STDERR_LINES:]
    if lines:
        return hide_secrets(f"{code}: {' | '.join(lines)[-_UPSTREAM_TEXT:]}", server)
    if notes.garbage:
        return hide_secrets(f"{code}, having printed {notes.garbage!r}", server)
    return f"{code} without a word on standard error"


def connect_timed_out(server: UpstreamServer, notes: WireNotes, seconds: float) -> UpstreamError:
    """The handshake took too long: silence, or chatter that is no handshake."""
    if notes.fault is not None:
        return notes.fault
    if notes.garbage is not None:
        return UpstreamProtocolError(
            f"Server {server.slug!r} printed {hide_secrets(notes.garbage, server)!r} instead of answering the "
            "handshake; check that its command starts an MCP server in stdio mode."
        )
    return UpstreamTimeout(
        f"Server {server.slug!r} did not complete the handshake within {seconds:g} s; "
        "check that it runs and that its command or address is the right one."
    )


def connection_lost(server: UpstreamServer, notes: WireNotes, doing: str) -> UpstreamError:
    """The connection ended while `doing`."""
    if notes.fault is not None:
        return notes.fault
    if server.launch.transport is Transport.STDIO:
        return ConnectionLost(
            f"Server {server.slug!r} died {doing}{last_words(server, notes)}; the next request starts it again."
        )
    return ConnectionLost(f"Server {server.slug!r} closed the connection {doing}; the next request connects again.")


def connect_failed(server: UpstreamServer, notes: WireNotes, error: BaseException) -> UpstreamError:
    """Why no connection came about."""
    if notes.fault is not None:
        return notes.fault
    found = list(leaves(error))
    for leaf in found:
        if (known := _known_failure(server, notes, leaf)) is not None:
            return known
    kind = type(found[0]).__name__
    if any(isinstance(leaf, ValidationError | RuntimeError | ValueError) for leaf in found):
        return UpstreamProtocolError(
            f"Server {server.slug!r} answered the handshake with something that is not the Model Context Protocol "
            f"({kind}); check its command or address."
        )
    return UpstreamUnreachable(f"Server {server.slug!r} cannot be reached ({kind}); check its command or address.")


def _known_failure(server: UpstreamServer, notes: WireNotes, leaf: BaseException) -> UpstreamError | None:
    match leaf:
        case UpstreamError():
            return leaf
        case MCPError():
            return _refused_handshake(server, notes, leaf)
        case httpx2.HTTPStatusError():
            return from_http(server, HttpFailure(HttpFault.STATUS, leaf.response.status_code))
        case httpx2.SSEError():
            return from_http(server, HttpFailure(HttpFault.MEDIA, detail="no event stream"))
        case httpx2.TransportError():
            return from_http(server, HttpFailure(HttpFault.CONNECT, detail=str(leaf)))
    return None


def is_closed(error: MCPError) -> bool:
    """Whether the SDK says that the connection as a whole has ended."""
    return error.code == CONNECTION_CLOSED and error.message == "Connection closed"


def request_failed(server: UpstreamServer, notes: WireNotes, method: str, error: MCPError) -> UpstreamError:
    """Why a request on an open connection got no result."""
    failure = failure_of(error.data)
    if failure is not None:
        return from_http(server, failure)
    text = hide_secrets(error.message[:_UPSTREAM_TEXT], server)
    if is_closed(error) or (error.code == CONNECTION_CLOSED and notes.over.is_set()):
        return connection_lost(server, notes, f"while it worked on {method}")
    if error.code == CONNECTION_CLOSED and text.startswith("SSE stream ended"):
        return ConnectionLost(
            f"Server {server.slug!r} ended its answer to {method} half-way; try again if it is safe to."
        )
    sdk_says = ("SSE stream failed", "Failed to parse", "server answered a request with 202", "Redirect to")
    if error.code in {CONNECTION_CLOSED, PARSE_ERROR, INVALID_REQUEST} and text.startswith(sdk_says):
        return UpstreamProtocolError(
            f"Server {server.slug!r} gave no usable answer to {method} ({text}); report it there."
        )
    return UpstreamRefused(
        f"Server {server.slug!r} refused {method}: {text or 'no reason given'} (error {error.code}); "
        "check the tool's name and arguments.",
        rpc_code=error.code,
        data=error.data,
    )


def from_http(server: UpstreamServer, failure: HttpFailure) -> UpstreamError:
    """What a failure on the wire means for a request, or for the handshake."""
    of_access = _OF_ACCESS.get(failure.fault)
    detail = hide_secrets(failure.detail[:_UPSTREAM_TEXT], server)
    return of_access(detail) if of_access is not None else _of_wire(server, failure, detail)


def _of_wire(server: UpstreamServer, failure: HttpFailure, detail: str) -> UpstreamError:
    who = f"Server {server.slug!r}"
    match failure.fault:
        case HttpFault.CONNECT:
            return NoConnection(
                f"{who} cannot be reached at {server.launch.display} ({detail or 'no connection'}); "
                "check that it runs and that the address is right."
            )
        case HttpFault.BROKEN:
            return ConnectionLost(
                f"{who} broke the connection before it answered ({detail}); try again if it is safe to."
            )
        case HttpFault.SESSION:
            return SessionLost(f"{who} forgot our session, probably in a restart; try again.")
        case HttpFault.MEDIA:
            return UpstreamProtocolError(
                f"{who} answered with {detail} instead of MCP messages; check that its URL is its MCP endpoint."
            )
        case HttpFault.TOO_LARGE:
            return TooLarge(
                f"{who} sent an answer that is compressed or larger than we read ({detail}); ask it for less."
            )
        case _:
            return _from_status(server, failure.status)


def message_too_large(server: UpstreamServer, cap: int, why: str | None = None) -> TooLarge:
    """`why` says why it could not be put aside."""
    reason = "" if why is None else f" and cannot be kept ({why})"
    return TooLarge(
        f"Server {server.slug!r} sent a message of more than {cap / MIB:g} MiB{reason}, so its connection was closed; "
        "ask it for less."
    )


def _from_status(server: UpstreamServer, status: int) -> UpstreamError:
    who, where = f"Server {server.slug!r}", server.launch.display
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return Unwilling(f"{who} refused our credentials (HTTP {status}); set the header it expects.")
    if status in {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED}:
        return Estranged(
            f"{who} offers no MCP endpoint at {where} (HTTP {status}); check the URL, and the transport: "
            "older servers need --transport sse."
        )
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return Unwilling(f"{who} asks us to slow down (HTTP 429); try again later.", retry_after_s=10.0)
    kind = ServerFault if status >= HTTPStatus.INTERNAL_SERVER_ERROR else Estranged
    return kind(f"{who} answered HTTP {status} at {where}; check its own log, then try again.")


def _refused_handshake(server: UpstreamServer, notes: WireNotes, error: MCPError) -> UpstreamError:
    failure = failure_of(error.data)
    if failure is not None:
        return from_http(server, failure)
    if error.code == CONNECTION_CLOSED:
        return died_at_start(server, notes)
    text = hide_secrets(error.message[:_UPSTREAM_TEXT], server)
    return UpstreamProtocolError(
        f"Server {server.slug!r} refused the handshake: {text} (error {error.code}); check its version and settings."
    )


def died_at_start(server: UpstreamServer, notes: WireNotes) -> UpstreamError:
    """The connection ended before the handshake did."""
    if notes.fault is not None:
        return notes.fault
    if server.launch.transport is Transport.STDIO:
        return UpstreamUnreachable(
            f"Server {server.slug!r} died at start{last_words(server, notes)}; correct its command or settings."
        )
    return UpstreamUnreachable(
        f"Server {server.slug!r} closed the connection during the handshake; check its address and its own log."
    )

"""A small authorization server and an MCP server that it protects, both real, in the test's own event loop.

The test is the clock, the person and the operator of both: it moves `now`, denies, revokes, and lies in the metadata.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import secrets
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from domain.servers import Launch, Transport, UpstreamServer
from tests.upstreams.reference import HttpDoor, Reference, build, sse_app

LIFE_S = 3600
READ, WRITE = "tools:read", "tools:write"
WRITING_TOOL = "counter"
"""The tool that takes the scope WRITE; every other takes READ."""


@dataclass(slots=True)
class Token:
    scope: str
    resource: str
    expires_at: float


@dataclass(slots=True)
class AuthorizationServer:
    """Knows its clients, checks PKCE and resource, rotates refresh tokens, grants what it is asked for."""

    issuer: str
    now: float = 1_000_000.0
    said: dict[str, Any] = field(default_factory=dict)  # overrides of the metadata
    denies: bool = False
    refuses_refresh: bool = False
    silent: bool = False  # the token endpoint answers 503
    grants_only: str | None = None
    clients: dict[str, dict[str, Any]] = field(default_factory=dict)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    access: dict[str, Token] = field(default_factory=dict)
    refresh: dict[str, Token] = field(default_factory=dict)
    refreshes: int = 0
    revoked: list[str] = field(default_factory=list)  # the kinds of tokens, in order
    token_asked: asyncio.Event = field(default_factory=asyncio.Event)
    asked: list[dict[str, str]] = field(default_factory=list)  # what came to /authorize

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/.well-known/oauth-authorization-server", self._metadata),
                Route("/register", self._register, methods=["POST"]),
                Route("/authorize", self._authorize),
                Route("/token", self._token, methods=["POST"]),
                Route("/revoke", self._revoke, methods=["POST"]),
            ]
        )

    async def _metadata(self, _request: Request) -> Response:
        said = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize?kept=1",
            "token_endpoint": f"{self.issuer}/token",
            "registration_endpoint": f"{self.issuer}/register",
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
            **self.said,
        }
        return JSONResponse({name: value for name, value in said.items() if value is not None})

    async def _register(self, request: Request) -> Response:
        wishes = await request.json()
        client = {**wishes, "client_id": secrets.token_hex(8), "client_secret": secrets.token_hex(16)}
        client.setdefault("token_endpoint_auth_method", "client_secret_basic")
        self.clients[client["client_id"]] = client
        return JSONResponse(client, status_code=201)

    async def _authorize(self, request: Request) -> Response:
        asked = dict(request.query_params)
        self.asked.append(asked)
        client = self.clients.get(asked["client_id"])
        known = asked["redirect_uri"] in client["redirect_uris"] if client else asked["client_id"].startswith("https:")
        if not known or asked.get("code_challenge_method") != "S256" or not asked.get("resource"):
            return Response("bad request", 400)
        back = {"state": asked["state"], "iss": self.issuer}
        if self.denies:
            back["error"] = "access_denied"
        else:
            back["code"] = secrets.token_hex(16)
            self.codes[back["code"]] = asked
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode(back)}", 302)

    async def _token(self, request: Request) -> Response:
        self.token_asked.set()
        if self.silent:
            return Response("busy", 503)
        form = dict(parse_qsl((await request.body()).decode()))
        if not self._authenticated(request, form):
            return JSONResponse({"error": "invalid_client"}, 401)
        token = self._by_code(form) if form["grant_type"] == "authorization_code" else self._by_refresh(form)
        if token is None or token.resource != form.get("resource"):
            return JSONResponse({"error": "invalid_grant"}, 400)
        access, refresh = secrets.token_hex(16), secrets.token_hex(16)
        self.access[access] = self.refresh[refresh] = token
        return JSONResponse(
            {"access_token": access, "refresh_token": refresh, "token_type": "Bearer", "expires_in": LIFE_S,
             "scope": token.scope}
        )  # fmt: skip

    async def _revoke(self, request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode()))
        if self.silent or not self._authenticated(request, form):
            return Response("busy", 503)
        self.revoked.append(form["token_type_hint"])
        self.access.pop(form["token"], None)
        self.refresh.pop(form["token"], None)
        return Response()

    def _authenticated(self, request: Request, form: Mapping[str, str]) -> bool:
        client = self.clients.get(form["client_id"])
        if client is None:
            return form["client_id"].startswith("https:")
        pair = f"{client['client_id']}:{client['client_secret']}".encode()
        return request.headers.get("authorization") == f"Basic {base64.b64encode(pair).decode()}"

    def _by_code(self, form: Mapping[str, str]) -> Token | None:
        asked = self.codes.pop(form["code"], None)
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if asked is None or asked["code_challenge"] != challenge or asked["redirect_uri"] != form["redirect_uri"]:
            return None
        scope = asked.get("scope", "") if self.grants_only is None else self.grants_only
        return Token(scope, asked["resource"], self.now + LIFE_S)

    def _by_refresh(self, form: Mapping[str, str]) -> Token | None:
        self.refreshes += 1
        before = self.refresh.pop(form["refresh_token"], None)  # it serves once
        if before is None or self.refuses_refresh:
            return None
        return Token(before.scope, before.resource, self.now + LIFE_S)


class ProtectedServer:
    """The reference upstream behind a bearer token of that authorization server. Records what it is sent."""

    def __init__(self, origin: str, authority: AuthorizationServer, kind: str = "modern") -> None:
        """`kind`: modern, legacy (handshake era), or sse."""
        self.origin = origin
        self.path = "/sse" if kind == "sse" else "/mcp"
        self.url = origin + self.path
        self.authority = authority
        self.described: dict[str, Any] = {}  # overrides of the resource metadata
        self.headers: list[dict[str, str]] = []
        self.unauthorized = 0
        reference = build(Reference())
        streamable: ASGIApp = reference.streamable_http_app(host="127.0.0.1")
        self._inner = (
            sse_app(reference, legacy=True) if kind == "sse" else HttpDoor(streamable, legacy=kind == "legacy")
        )

    def server(self, slug: str = "guarded", **headers: str) -> UpstreamServer:
        transport = Transport.SSE if self.path == "/sse" else Transport.STREAMABLE_HTTP
        launch = Launch(transport, url=self.url, headers=headers)
        return UpstreamServer("t", slug, slug.title(), launch)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
        elif scope["path"] == f"/.well-known/oauth-protected-resource{self.path}":
            described = {"resource": self.url, "authorization_servers": [self.authority.issuer], **self.described}
            await JSONResponse(described)(scope, receive, send)
        elif not scope["path"].startswith((self.path, "/messages/")):
            await Response(status_code=404)(scope, receive, send)
        else:
            await self._guarded(scope, receive, send)

    async def _guarded(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        self.headers.append(headers)
        body = await _body(receive)
        needed = WRITE if scope["method"] == "POST" and _tool(body) == WRITING_TOOL else READ
        token = self.authority.access.get(headers.get("authorization", "").removeprefix("Bearer "))
        metadata = f'resource_metadata="{self.origin}/.well-known/oauth-protected-resource{self.path}"'
        if token is None or token.expires_at <= self.authority.now or token.resource != self.url:
            self.unauthorized += 1
            challenge = f'Bearer {metadata}, scope="{READ}"'
            await Response(status_code=401, headers={"WWW-Authenticate": challenge})(scope, receive, send)
        elif needed not in token.scope.split():
            challenge = f'Bearer error="insufficient_scope", scope="{needed}", {metadata}'
            await Response(status_code=403, headers={"WWW-Authenticate": challenge})(scope, receive, send)
        else:
            await self._inner(scope, _again(body, receive), send)


def _tool(body: bytes) -> str | None:
    message = json.loads(body) if body else {}
    params = message.get("params")
    return params.get("name") if message.get("method") == "tools/call" and isinstance(params, dict) else None


async def _body(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


def _again(body: bytes, receive: Receive) -> Receive:
    first = [True]

    async def replayed() -> Message:
        if first.pop() if first else False:
            return {"type": "http.request", "body": body, "more_body": False}
        return await receive()

    return replayed


@asynccontextmanager
async def listening(listener: socket.socket, app: ASGIApp) -> AsyncIterator[None]:
    """Serve `app`; requests that come early wait in the listener's backlog."""
    config = uvicorn.Config(app, log_level="error", ws="none", timeout_graceful_shutdown=0)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield
    finally:
        server.should_exit = True
        await serving


@asynccontextmanager
async def protected_server(kind: str = "modern") -> AsyncIterator[ProtectedServer]:
    """Both, on free ports of loopback."""
    one, two = socket.create_server(("127.0.0.1", 0)), socket.create_server(("127.0.0.1", 0))
    authority = AuthorizationServer(f"http://127.0.0.1:{one.getsockname()[1]}")
    protected = ProtectedServer(f"http://127.0.0.1:{two.getsockname()[1]}", authority, kind)
    async with listening(one, authority.app()), listening(two, protected):
        yield protected

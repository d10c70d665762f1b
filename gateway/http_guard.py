"""Host and Origin checks in front of every route: a web page must not reach this machine's Toolcrib.

DNS rebinding (CVE-2025-66416) makes a hostile page same-origin with a loopback server; a wrong Host gives it away.
"""

from __future__ import annotations

import json
from functools import lru_cache
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_SAFE_METHODS = frozenset({"GET", "HEAD"})


class HttpGuard:
    """421 for a Host that is not this machine; 403 for an Origin that is elsewhere.

    The MCP address takes any loopback origin (local inspectors run in browsers); everything else takes changes
    only from its own pages.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name: value.decode("latin-1") for name, value in scope["headers"] if name in {b"host", b"origin"}}
        refused = refusal(headers.get(b"host", ""), headers.get(b"origin"), scope["method"], scope["path"])
        if refused is not None:
            await _refuse(send, *refused)
        else:
            await self._app(scope, receive, send)


def refusal(host: str, origin: str | None, method: str, path: str) -> tuple[int, str] | None:
    """Status and reason for what may not come in; None for what may. Also asked by the short way of plain calls."""
    if _hostname(f"//{host}") not in _LOOPBACK:
        return 421, "The Host header does not name this machine; use http://127.0.0.1."
    if origin is not None and not _origin_allowed(origin, host, method, path):
        return 403, "A web page of another origin may not use this Toolcrib."
    return None


def _origin_allowed(origin: str, host: str, method: str, path: str) -> bool:
    if _hostname(origin) not in _LOOPBACK:
        return False
    if path.startswith("/mcp") or method in _SAFE_METHODS:
        return True
    return urlsplit(origin).netloc == host


@lru_cache(maxsize=64)  # every request of a client names the same host
def _hostname(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


async def _refuse(send: Send, status: int, detail: str) -> None:
    body = json.dumps({"type": "about:blank", "title": "Refused", "status": status, "detail": detail}).encode()
    headers = [(b"content-type", b"application/problem+json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

"""Host and Origin are checked on every route."""

from __future__ import annotations

import httpx2
import pytest
from starlette.types import Receive, Scope, Send

from gateway.http_guard import HttpGuard

pytestmark = pytest.mark.anyio


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    del scope, receive
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"served"})


async def status(method: str, path: str, host: str, origin: str | None = None) -> int:
    headers = {"host": host} | ({"origin": origin} if origin else {})
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=HttpGuard(answer))) as client:
        return (await client.request(method, f"http://127.0.0.1{path}", headers=headers)).status_code


@pytest.mark.parametrize("host", ["127.0.0.1:8420", "localhost:8420", "[::1]:8420", "localhost"])
async def test_this_machine_is_served(host: str) -> None:
    assert await status("POST", "/api/v1/search", host) == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "10.0.0.7:8420", "", "[::1", "0.0.0.0"])
@pytest.mark.parametrize("path", ["/", "/mcp", "/api/v1/servers", "/healthz"])
async def test_a_foreign_host_is_misdirected(host: str, path: str) -> None:
    assert await status("GET", path, host) == 421


@pytest.mark.parametrize("origin", ["https://evil.example", "http://localhost.evil.example", "null", "file://"])
@pytest.mark.parametrize("path", ["/", "/mcp", "/api/v1/servers", "/healthz"])
async def test_a_foreign_origin_is_refused(origin: str, path: str) -> None:
    assert await status("POST", path, "127.0.0.1:8420", origin) == 403


async def test_a_local_inspector_may_speak_mcp_but_not_change_servers() -> None:
    assert await status("POST", "/mcp", "127.0.0.1:8420", "http://localhost:6274") == 200
    assert await status("POST", "/api/v1/servers", "127.0.0.1:8420", "http://localhost:6274") == 403


async def test_the_own_page_may_change_servers() -> None:
    assert await status("POST", "/api/v1/servers", "127.0.0.1:8420", "http://127.0.0.1:8420") == 200

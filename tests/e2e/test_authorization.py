"""A person authorizes an upstream server in a browser; the gateway keeps what it got, sealed, over its restarts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.e2e.running import GatewayProcess, command, command_json, serving
from tests.upstreams.authorization import AuthorizationServer, ProtectedServer, protected_server

pytestmark = pytest.mark.anyio

CALL = {"tool": "guarded__echo", "arguments": {"text": "hello"}}


@asynccontextmanager
async def gateway(data: Path) -> AsyncIterator[tuple[GatewayProcess, httpx2.AsyncClient]]:
    """A gateway process, started and ended in a thread: the servers it asks live in this loop."""
    process = serving(data)
    running = await asyncio.to_thread(process.__enter__)
    try:
        async with httpx2.AsyncClient(base_url=f"{running.url}/api/v1", timeout=60) as api:
            yield running, api
    finally:
        await asyncio.to_thread(process.__exit__, None, None, None)


async def test_authorize_once_in_a_browser_then_everything_goes_by_itself(tmp_path: Path) -> None:
    async with protected_server() as upstream:
        async with gateway(tmp_path) as (running, api):
            new = {"name": "guarded", "transport": "streamable-http", "url": upstream.url}
            assert (await api.post("/servers", json=new)).status_code == 201
            link = f"{running.url}/oauth/authorize/guarded"

            assert f"open {link} in a browser" in (await _sync(api))["error"]
            shown = (await api.get("/servers/guarded")).json()
            assert (shown["status"], shown["authorize_url"]) == ("needs-authorization", link)
            doctor = await asyncio.to_thread(command, tmp_path, "doctor", "--json")
            assert f"needs your authorization: open {link}" in doctor.stdout

            page = await _browse(link)
            assert (page.status_code, "Toolcrib may use guarded now" in page.text) == (200, True)
            assert page.headers["referrer-policy"] == "no-referrer"
            again = await _browse(str(page.request.url))
            assert (again.status_code, "was finished already" in again.text) == (422, True)

            assert (await _sync(api))["error"] is None
            assert (await api.post("/call", json=CALL)).json()["result"]["content"][0]["text"] == "hello"
            assert (await api.get("/servers/guarded")).json()["status"] == "ready"
            assert _leaked(tmp_path, upstream.authority) == []

        async with gateway(tmp_path) as (_, api):
            assert (await api.post("/call", json=CALL)).json()["result"]["content"][0]["text"] == "hello"
            await _forgets_us(upstream, api)
        assert _leaked(tmp_path, upstream.authority) == []


async def _forgets_us(upstream: ProtectedServer, api: httpx2.AsyncClient) -> None:
    """The server revokes everything: calls say so, and its tools stay to be found."""
    upstream.authority.access.clear()
    upstream.authority.refuses_refresh = True

    refused = await api.post("/call", json=CALL)

    assert (refused.status_code, refused.json()["code"]) == (424, "authorization_needed")
    assert "/oauth/authorize/guarded in a browser" in refused.json()["detail"]
    found = (await api.post("/search", json={"queries": ["give the text back"]})).json()
    assert "guarded__echo" in [candidate["tool_id"] for candidate in found["results"][0]["candidates"]]
    assert (await api.get("/tools", params={"server": "guarded"})).json()["tools"]


async def test_a_client_registered_by_hand_is_set_by_a_command(tmp_path: Path) -> None:
    async with protected_server() as upstream, gateway(tmp_path) as (running, api):
        upstream.authority.said["registration_endpoint"] = None
        way_back = [f"{running.url}/oauth/callback"]
        known = {"client_id": "by-hand", "client_secret": "s3cret-canary", "redirect_uris": way_back}
        upstream.authority.clients["by-hand"] = known
        await api.post("/servers", json={"name": "guarded", "transport": "streamable-http", "url": upstream.url})
        await _sync(api)
        refused = await _browse(f"{running.url}/oauth/authorize/guarded")
        assert "toolcrib secrets oauth-client" in refused.text
        (tmp_path / "secret").write_text("s3cret-canary\n")

        arguments = ("secrets", "oauth-client", "guarded", "by-hand", "--secret-file", str(tmp_path / "secret"))
        done = await asyncio.to_thread(command_json, tmp_path, *arguments)
        (tmp_path / "secret").unlink()

        assert done == {"issuer": upstream.authority.issuer}
        assert (await _browse(f"{running.url}/oauth/authorize/guarded")).status_code == 200
        assert (await _sync(api))["error"] is None
        assert _leaked(tmp_path, upstream.authority) == []


async def test_a_refusal_is_shown_as_text_and_never_as_markup(tmp_path: Path) -> None:
    async with protected_server() as upstream, gateway(tmp_path) as (running, api):
        await api.post("/servers", json={"name": "guarded", "transport": "streamable-http", "url": upstream.url})
        await _sync(api)
        async with httpx2.AsyncClient() as browser:
            onward = await browser.get(f"{running.url}/oauth/authorize/guarded")
            state = httpx2.URL(onward.headers["location"]).params["state"]
            answer = {"state": state, "iss": upstream.authority.issuer, "error": "<script>alert(1)</script>"}
            page = await browser.get(f"{running.url}/oauth/callback", params=answer)

        assert page.status_code == 502
        assert "&lt;script&gt;" in page.text
        assert "<script" not in page.text


async def _sync(api: httpx2.AsyncClient) -> Any:
    return (await api.post("/servers/guarded/sync")).json()


async def _browse(url: str) -> httpx2.Response:
    async with httpx2.AsyncClient(follow_redirects=True) as browser:
        return await browser.get(url)


def _leaked(folder: Path, authority: AuthorizationServer) -> list[str]:
    """Tokens and client secrets in any file of the data folder."""
    everything = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    secrets = [
        *authority.access,
        *authority.refresh,
        *(client["client_secret"] for client in authority.clients.values()),
    ]
    assert len(secrets) >= 2 or not authority.access
    return [secret for secret in secrets if secret.encode() in everything]

"""What a caller sends to the gateway as headers stays there: nothing of it reaches an upstream server (S6)."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
import uvicorn
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from mcp_types import CLIENT_CAPABILITIES_META_KEY, CLIENT_INFO_META_KEY, PROTOCOL_VERSION_META_KEY
from starlette.types import Receive, Scope, Send

from tests.e2e.running import serving
from tests.upstreams.reference import Reference, build

SETS = 500
CANARY = "canary-"

_NAMES = st.sampled_from(
    ["Authorization", "Cookie", "X-Api-Key", "Mcp-Session-Id", "Proxy-Authorization", "X-Forwarded-For", "Forwarded",
     "X-Real-Ip", "Via", "Last-Event-Id", "X-Auth-Token", "X-Amz-Security-Token", "X-Csrf-Token", "Set-Cookie",
     "Traceparent", "Baggage", "From", "Referer", "X-Goog-Api-Key", "Mcp-Param-Region", "User-Agent"]
) | st.from_regex(r"x-[a-z]{1,12}", fullmatch=True)  # fmt: skip
_VALUES = st.from_regex(r"[A-Za-z0-9]{4,20}", fullmatch=True).map(lambda text: f"Bearer {CANARY}{text}")
HEADER_SETS = st.dictionaries(_NAMES, _VALUES, min_size=1, max_size=8)


@dataclass
class Recorder:
    """The reference upstream in a thread; keeps the headers of every request."""

    url: str = ""
    seen: list[dict[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._inner: Any = build(Reference()).streamable_http_app(host="127.0.0.1")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self.seen.append({name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]})
        await self._inner(scope, receive, send)


@pytest.fixture(scope="module")
def recorder() -> Iterator[Recorder]:
    listener = socket.create_server(("127.0.0.1", 0))
    made = Recorder(f"http://127.0.0.1:{listener.getsockname()[1]}/mcp")
    server = uvicorn.Server(uvicorn.Config(made, log_level="critical", ws="none", timeout_graceful_shutdown=0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    yield made
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def caller(recorder: Recorder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx2.Client]:
    data: Path = tmp_path_factory.mktemp("canary")
    with serving(data) as gateway, httpx2.Client(base_url=gateway.url, timeout=60) as client:
        new = {"name": "up", "transport": "streamable-http", "url": recorder.url, "headers": {"X-Own": "kept"}}
        assert client.post("/api/v1/servers", json=new).status_code == 201
        assert client.post("/api/v1/servers/up/sync").json()["error"] is None
        yield client


DOORS: dict[str, tuple[str, dict[str, Any]]] = {
    "/mcp": ("call_tool", {"name": "up__echo", "arguments": {"text": "x"}}),
    "/mcp/servers/up": ("echo", {"text": "x"}),
    "/api/v1/call": ("", {"tool": "up__echo", "arguments": {"text": "x"}}),
}
"""Every way to call a tool of the upstream: path, the MCP tool's name, its arguments."""


@settings(max_examples=SETS, deadline=None, suppress_health_check=[HealthCheck.too_slow], phases=[Phase.generate])
@given(door=st.sampled_from(sorted(DOORS)), headers=HEADER_SETS)
def test_no_header_of_a_caller_reaches_the_upstream(
    caller: httpx2.Client, recorder: Recorder, door: str, headers: dict[str, str]
) -> None:
    recorder.seen.clear()

    answer = _call(caller, door, headers)

    assert answer.status_code == 200
    assert [seen for seen in recorder.seen if seen.get("mcp-name") == "echo"]
    for seen in recorder.seen:
        assert not [value for value in seen.values() if CANARY in value]
        assert "authorization" not in seen
        assert seen["x-own"] == "kept"


def _call(caller: httpx2.Client, door: str, headers: dict[str, str]) -> httpx2.Response:
    name, arguments = DOORS[door]
    if not name:
        return caller.post(door, json=arguments, headers=headers)
    return caller.post(door, json=_request(name, arguments), headers=_modern(name) | headers)


def _request(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    meta = {
        PROTOCOL_VERSION_META_KEY: "2026-07-28",
        CLIENT_INFO_META_KEY: {"name": "test", "version": "1"},
        CLIENT_CAPABILITIES_META_KEY: {},
    }
    params = {"name": name, "arguments": arguments, "_meta": meta}
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}


def _modern(name: str) -> dict[str, str]:
    return {
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": "2026-07-28",
        "Mcp-Method": "tools/call",
        "Mcp-Name": name,
    }

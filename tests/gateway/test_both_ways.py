"""The short way of plain calls and the SDK's application behind it answer the same.

But for two things: the SDK drops members of a result that its model does not know, where the short way passes them on,
and signs results with the server's name.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mcp.server.streamable_http_manager import StreamableHTTPASGIApp, StreamableHTTPSessionManager
from mcp_types import SERVER_INFO_META_KEY
from starlette.applications import Starlette
from starlette.routing import Route

from domain.errors import Overloaded, ToolNotFound, UpstreamRefused, UpstreamTimeout
from gateway.http_guard import HttpGuard
from gateway.mcp.meta_tools import Behind
from gateway.mcp.server import answer_call, make_mcp_server
from gateway.plan_body import PlanBody
from tests.gateway.plain_calls import HEAD, META, Reply, Wire, request, serving

pytestmark = pytest.mark.anyio

ERRORS = {
    "s__refuses": UpstreamRefused("no", rpc_code=-32602, data={"why": ["ö"]}),
    "s__fails": UpstreamRefused("broken", rpc_code=-32603),
    "s__late": UpstreamTimeout("It took too long; try again."),
    "s__full": Overloaded("The line is full.", retry_after_s=1.0),
    "s__absent": ToolNotFound("No tool is called so; search again."),
}


class Echoing:
    """A backend that gives arguments back, or fails as its tool's name says."""

    has_plans = False

    async def behind(self) -> Behind:
        return Behind((), 0)

    async def catalogue(self) -> Sequence[Mapping[str, Any]]:
        return ()

    async def call(
        self, name: str, arguments: Mapping[str, Any], session: str | None, client: str | None = None
    ) -> Mapping[str, Any]:
        assert client is None  # clients of the current revision have no connection that means anything
        if name in ERRORS:
            raise ERRORS[name]
        result = {"content": [], "structuredContent": arguments, "_meta": {"x/y": 1}, "unknown": [None]}
        return {"result": result, "tool": name, "server": "s", "generation": 1, "latency_ms": 0.0, "session": session}

    async def read_result(self, handle: str, page: int, session: str | None) -> Mapping[str, Any]:
        raise ToolNotFound(f"{handle} {page} {session}")

    async def plan(self, body: PlanBody) -> Mapping[str, Any]:
        raise ToolNotFound(f"{body}")

    async def search(self, queries: Sequence[str], session: str | None) -> Mapping[str, Any]:
        raise ToolNotFound(f"{queries} {session}")

    async def remove(self, names: Sequence[str], session: str) -> Mapping[str, Any]:
        raise ToolNotFound(f"{names} {session}")


@asynccontextmanager
async def both_ways() -> AsyncIterator[tuple[Wire, Wire]]:
    """A connection that takes the short way where it can, and one that never does."""
    backend = Echoing()
    manager = StreamableHTTPSessionManager(make_mcp_server(lambda: backend, None))
    app = HttpGuard(Starlette(routes=[Route("/mcp", endpoint=StreamableHTTPASGIApp(manager))]))
    async with (
        manager.run(),
        serving(app, partial(answer_call, backend)) as (short, _),
        serving(app, None) as (ordinary, _),
    ):
        wires = await Wire.open(short), await Wire.open(ordinary)
        yield wires
        for wire in wires:
            await wire.close()


async def said(wire: Wire, data: bytes) -> tuple[int, Any]:
    reply = await wire.ask(data)
    status, message = reply.status, _message(reply)
    if isinstance(message, dict) and "result" in message:
        message["result"].pop("unknown", None)
        message["result"].get("_meta", {}).pop(SERVER_INFO_META_KEY, None)
        message["result"] = {name: value for name, value in message["result"].items() if value != {} or name != "_meta"}
    return status, message


def _message(reply: Reply) -> Any:
    if reply.head.get("content-type", "").startswith("text/event-stream"):  # the SDK answers calls so: one event
        events = [line.removeprefix(b"data: ") for line in reply.body.splitlines() if line.startswith(b"data: ")]
        (answer,) = events
        return json.loads(answer)
    return reply.json if reply.head.get("content-type", "").endswith("json") else reply.body


def call(name: str, arguments: Any = None, number: Any = 1, **more: Any) -> bytes:
    params = {"name": name, "arguments": arguments or {}, "_meta": META} | more
    body = json.dumps({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}).encode()
    return request(body, {**HEAD, b"mcp-name": name.encode()})


CALLS = {
    "a found tool": call("s__echo", {"a": [1, {"b": None}], "ö": "\ud83d\ude00"}),
    "by call_tool": call("call_tool", {"name": "s__echo", "arguments": {"a": 1}}),
    "by call_tool with wrong arguments": call("call_tool", {"name": "s__echo", "arguments": "x"}),
    "by call_tool without a name": call("call_tool", {}),
    "a text as id": call("s__echo", number="n"),
    "no arguments": call("s__echo", arguments=None),
    "a search": call("search_tools", {"queries": ["x"]}),
    "a search without queries": call("search_tools", {}),
    "a progress token": call("s__echo", _meta={**META, "progressToken": 1}),
    "no capabilities": call("s__echo", _meta={"io.modelcontextprotocol/protocolVersion": "2026-07-28"}),
    "arguments that are no object": call("s__echo", [1]),
    "a number as name": request(call("s__echo").partition(b"\r\n\r\n")[2].replace(b'"s__echo"', b"5")),
    "another name in the head": request(call("s__echo").partition(b"\r\n\r\n")[2]),
    "another host": request(b"{}", {**HEAD, b"host": b"evil.example"}),
    "another origin": request(b"{}", HEAD, b"origin: https://evil.example"),
    "no JSON": request(b"{"),
    **{name: call(name) for name in ERRORS},
}


@pytest.mark.parametrize("which", CALLS)
async def test_both_ways_answer_the_same(which: str) -> None:
    async with both_ways() as (short, ordinary):
        assert await said(short, CALLS[which]) == await said(ordinary, CALLS[which])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)  # fmt: skip


async def test_both_ways_answer_the_same_whatever_the_arguments() -> None:
    asked: list[Any] = []

    @settings(max_examples=60, database=None, suppress_health_check=list(HealthCheck))
    @given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), JSON, max_size=4))
    def collect(arguments: dict[str, Any]) -> None:
        asked.append(arguments)

    collect()
    async with both_ways() as (short, ordinary):
        for arguments in asked:
            data = call("s__echo", arguments)
            status, message = await said(short, data)
            assert (status, message) == await said(ordinary, data)
            assert message["result"]["structuredContent"] == arguments

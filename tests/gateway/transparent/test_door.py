"""The door in front of real upstreams: what it does when they die, and that clients do not meet."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import mcp_types as types
import pytest
from mcp import Client, MCPError
from mcp.client.context import ClientRequestContext

from domain.servers import Launch, Transport, UpstreamServer
from servers.limits import Limits
from tests.bridge.matrix import CLIENTS, UPSTREAMS, upstream
from tests.conformance.client import open_door
from tests.upstreams.running import HttpUpstream, http_upstream

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("mode", CLIENTS.values(), ids=CLIENTS)]

HANDSHAKE_ONLY = ("--era", "handshake")


def _server(running: HttpUpstream) -> UpstreamServer:
    return UpstreamServer("local", "up", "Up", Launch(running.transport, url=running.url))


@asynccontextmanager
async def _everything(*arguments: str, port: int = 0) -> AsyncIterator[HttpUpstream]:
    async with http_upstream(Transport.STREAMABLE_HTTP, *arguments, module="everything", port=port) as running:
        yield running


async def _text(client: Client, tool: str, arguments: dict[str, Any] | None = None) -> str:
    result = await client.call_tool(tool, arguments or {})
    assert isinstance(result.content[0], types.TextContent)
    return result.content[0].text


@pytest.mark.parametrize("era", [(), HANDSHAKE_ONLY], ids=["both eras", "handshake only"])
async def test_a_restarted_upstream_is_met_again_within_the_same_client_session(
    mode: str, era: tuple[str, ...]
) -> None:
    async with _everything(*era) as first:
        server, port = _server(first), first.port
        async with open_door(server, Limits()) as url, Client(url, mode=mode) as client:
            assert await _text(client, "test_simple_text")
            await first.kill()
            async with _everything(*era, port=port):
                assert await _text(client, "test_simple_text")
                assert (await client.list_resources()).resources


async def test_a_dead_upstream_is_a_named_error_at_once(mode: str) -> None:
    async with _everything() as running:
        server = _server(running)
    async with open_door(server, Limits()) as url, asyncio.timeout(10):
        with pytest.raises(MCPError, match="cannot be reached") as failure:
            await _connect_and_list(url, mode)
    assert failure.value.data == {"code": "upstream_unreachable"}


async def test_an_upstream_that_dies_in_a_call_fails_that_call_by_name(mode: str) -> None:
    async with _everything() as running, open_door(_server(running), Limits()) as url, Client(url, mode=mode) as client:
        waits = asyncio.Event()

        async def on_progress(progress: float, total: float | None, message: str | None) -> None:  # noqa: ARG001
            waits.set()

        call = asyncio.create_task(client.call_tool("test_wait", {"label": "x"}, progress_callback=on_progress))
        await waits.wait()
        await running.kill()
        async with asyncio.timeout(10):
            with pytest.raises(MCPError, match="Server 'up'"):
                await call


@pytest.mark.parametrize("name", UPSTREAMS)
async def test_questions_reach_the_client_whose_call_asks(mode: str, name: str) -> None:
    """Several clients at once, each asked for itself, where a session or the transport says whose a question is."""
    told_apart = mode == "legacy" or UPSTREAMS[name][0] == "modern" or "streamable" in name
    with upstream(name) as server:
        async with open_door(server, Limits()) as url:
            heard = await asyncio.gather(*(_asked(url, mode, number) for number in range(4 if told_apart else 1)))
    assert heard == [(f"{number}", f"{number}") for number in range(len(heard))]


async def _asked(url: str, mode: str, number: int) -> tuple[str, str]:
    """What one client was asked, and what came of its answer."""
    asked: list[str] = []

    async def answer(context: ClientRequestContext, params: types.ElicitRequestParams) -> types.ElicitResult:  # noqa: ARG001
        asked.append(params.message)
        return types.ElicitResult(action="accept", content={"username": f"<{number}>", "email": "x"})

    async with Client(url, mode=mode, elicitation_callback=answer) as client:
        said = await _text(client, "test_elicitation", {"message": str(number)})
    return "".join(asked), said.partition("<")[2].partition(">")[0]


async def _connect_and_list(url: str, mode: str) -> None:
    """The error, out of the groups that the SDK's client wraps it into."""
    try:
        async with Client(url, mode=mode) as client:
            await client.list_tools()
    except BaseExceptionGroup as group:
        found = group.subgroup(MCPError)
        while isinstance(found, BaseExceptionGroup):
            found = found.exceptions[0]  # type: ignore[assignment]
        assert found is not None
        raise found from None

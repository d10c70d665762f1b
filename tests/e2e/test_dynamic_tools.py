"""`/mcp/dynamic`: what a session holds is listed natively to a client of the handshake era, which hears of changes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client
from mcp_types import ToolListChangedNotification

from domain.servers import Transport
from tests.e2e.running import command, serving
from tests.upstreams.running import http_upstream

pytestmark = pytest.mark.anyio

OWN = ["search_tools", "call_tool", "remove_tools"]
ADD = {"queries": ["add two numbers"]}


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    data: Path = tmp_path_factory.mktemp("dynamic")
    async with http_upstream(Transport.STREAMABLE_HTTP) as upstream:
        with serving(data, k="1") as gateway:
            added = await asyncio.to_thread(command, data, "servers", "add", "ref", "--url", upstream.url)
            assert added.returncode == 0, added.stderr
            yield gateway.url


class Ears:
    """Counts the changes a client is told of."""

    def __init__(self) -> None:
        self._heard: asyncio.Queue[None] = asyncio.Queue()

    async def __call__(self, message: Any) -> None:
        if isinstance(message, ToolListChangedNotification):
            self._heard.put_nowait(None)

    async def wait(self) -> None:
        async with asyncio.timeout(10):
            await self._heard.get()

    @property
    def silent(self) -> bool:
        return self._heard.empty()


async def names(client: Client) -> list[str]:
    return [tool.name for tool in (await client.list_tools(cache_mode="bypass")).tools]


def handle(result: Any) -> str:
    match = re.search(r"Session (s_[0-9a-f]{32}) holds", result.content[-1].text)
    assert match is not None
    return match[1]


async def test_what_is_found_is_listed_and_called_natively_and_what_is_given_back_is_gone(url: str) -> None:
    ears = Ears()
    async with Client(f"{url}/mcp/dynamic", mode="legacy", message_handler=ears) as client:
        assert client.server_capabilities.tools is not None
        assert client.server_capabilities.tools.list_changed
        assert await names(client) == OWN
        session = handle(await client.call_tool("search_tools", ADD))
        await ears.wait()
        assert await names(client) == [*OWN, "ref__add"]
        called = await client.call_tool("ref__add", {"a": 2, "b": 3})
        assert [getattr(block, "text", "") for block in called.content] == ["5"]
        assert ears.silent
        await client.call_tool("remove_tools", {"names": ["ref__add"]})
        await ears.wait()
        assert await names(client) == OWN
    async with httpx2.AsyncClient(base_url=f"{url}/api/v1") as http:
        assert (await http.get(f"/sessions/{session}")).json()["turn"] == 0


async def test_connections_do_not_see_each_others_tools_and_one_takes_up_a_session_by_its_handle(url: str) -> None:
    async with Client(f"{url}/mcp/dynamic", mode="legacy") as first:
        session = handle(await first.call_tool("search_tools", ADD))
        async with Client(f"{url}/mcp/dynamic", mode="legacy") as second:
            assert await names(second) == OWN
            await second.call_tool("search_tools", {"queries": ["give a text back"], "session": session})
            assert await names(second) == [*OWN, "ref__add", "ref__echo"]


async def test_a_session_that_was_forgotten_is_replaced_without_a_word(url: str) -> None:
    async with Client(f"{url}/mcp/dynamic", mode="legacy") as client:
        session = handle(await client.call_tool("search_tools", ADD))
        async with httpx2.AsyncClient(base_url=f"{url}/api/v1") as http:
            assert (await http.delete(f"/sessions/{session}")).status_code == 204
        called = await client.call_tool("ref__add", {"a": 1, "b": 1})
        assert not called.is_error
        assert await names(client) == OWN
        again = handle(await client.call_tool("search_tools", ADD))
        assert again != session
        assert await names(client) == [*OWN, "ref__add"]


async def test_the_current_revision_has_the_constant_listing_here_too(url: str) -> None:
    async with Client(f"{url}/mcp/dynamic") as client:
        found = await client.call_tool("search_tools", ADD)
        assert handle(found)
        assert await names(client) == OWN


async def test_the_ordinary_address_lists_three_whatever_a_session_holds(url: str) -> None:
    async with Client(f"{url}/mcp", mode="legacy") as client:
        await client.call_tool("search_tools", ADD)
        assert await names(client) == OWN


async def test_in_passthrough_the_whole_catalogue_is_listed_from_the_beginning(tmp_path: Path) -> None:
    async with http_upstream(Transport.STREAMABLE_HTTP) as upstream:
        with serving(tmp_path, memory_mode="passthrough") as gateway:
            added = await asyncio.to_thread(command, tmp_path, "servers", "add", "ref", "--url", upstream.url)
            assert added.returncode == 0, added.stderr
            async with Client(f"{gateway.url}/mcp/dynamic", mode="legacy") as client:
                listed = await names(client)
                assert listed[:3] == OWN
                assert {"ref__add", "ref__echo"} <= set(listed)
                called = await client.call_tool("ref__add", {"a": 2, "b": 3})
                assert [getattr(block, "text", "") for block in called.content] == ["5"]


@pytest.mark.parametrize("address", ["mcp", "mcp/dynamic"])
@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
async def test_in_passthrough_every_client_of_every_address_sees_the_catalogue_behind_the_three(
    address: str, mode: Any, tmp_path: Path
) -> None:
    async with http_upstream(Transport.STREAMABLE_HTTP) as upstream:
        with serving(tmp_path, memory_mode="passthrough") as gateway:
            async with Client(f"{gateway.url}/{address}", mode=mode) as client:
                assert await names(client) == OWN
            added = await asyncio.to_thread(command, tmp_path, "servers", "add", "ref", "--url", upstream.url)
            assert added.returncode == 0, added.stderr
            async with Client(f"{gateway.url}/{address}", mode=mode) as client:
                listed = await names(client)
                assert listed[:3] == OWN
                assert {"ref__add", "ref__rich"} <= set(listed)
                called = await client.call_tool("ref__add", {"a": 2, "b": 3})
                assert [getattr(block, "text", "") for block in called.content] == ["5"]

"""However many clients listen to a server, it is listened to once for each thing they want to hear."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import mcp_types as types
import pytest
from mcp import Client, MCPError
from mcp.client.subscriptions import SubscriptionLost, ToolsListChanged

from domain.servers import Launch, Transport, UpstreamServer
from gateway.mcp.transparent.fan_in import _Ear
from servers.limits import Limits
from servers.relay.exchange import Notice
from tests.conformance import fixtures as fx
from tests.conformance.client import open_door
from tests.upstreams.running import HttpUpstream, http_upstream

pytestmark = pytest.mark.anyio

MODERN = "2026-07-28"
CLIENTS = 6


@pytest.fixture
async def upstream() -> AsyncIterator[HttpUpstream]:
    async with http_upstream(Transport.STREAMABLE_HTTP) as running:
        yield running


@pytest.fixture
async def url(upstream: HttpUpstream) -> AsyncIterator[str]:
    server = UpstreamServer("local", "up", "Up", Launch(upstream.transport, url=upstream.url))
    async with open_door(server, Limits()) as address:
        yield address


async def _clients(stack: AsyncExitStack, url: str, count: int) -> list[Client]:
    return [await stack.enter_async_context(Client(url, mode=MODERN)) for _ in range(count)]


async def _said(client: Client, tool: str) -> str:
    result = await client.call_tool(tool, {})
    assert isinstance(result.content[0], types.TextContent)
    return result.content[0].text


async def _listening(client: Client) -> int:
    return int(await _said(client, "listening"))


async def _until_listening(client: Client, count: int) -> None:
    async with asyncio.timeout(10):
        while await _listening(client) != count:
            pass


async def test_many_clients_hear_a_change_over_one_subscription(url: str) -> None:
    async with AsyncExitStack() as stack:
        clients = await _clients(stack, url, CLIENTS)
        heard = [await stack.enter_async_context(client.listen(tools_list_changed=True)) for client in clients]
        assert await _listening(clients[0]) == 1
        await clients[0].call_tool("set_extra", {"present": True})
        async with asyncio.timeout(10):
            assert [await anext(aiter(events)) for events in heard] == [ToolsListChanged()] * CLIENTS


async def test_clients_that_want_to_hear_something_else_have_a_subscription_of_their_own(url: str) -> None:
    async with AsyncExitStack() as stack:
        one, other = await _clients(stack, url, 2)
        async with (
            one.listen(tools_list_changed=True),
            other.listen(tools_list_changed=True, prompts_list_changed=True),
        ):
            assert await _listening(one) == 2


async def test_one_that_leaves_takes_nothing_from_the_others_and_the_last_one_ends_it(url: str) -> None:
    async with AsyncExitStack() as stack:
        one, other = await _clients(stack, url, 2)
        async with other.listen(tools_list_changed=True) as events:
            async with one.listen(tools_list_changed=True):
                assert await _listening(one) == 1
            await one.call_tool("set_extra", {"present": True})
            async with asyncio.timeout(10):
                assert await anext(aiter(events)) == ToolsListChanged()
        await _until_listening(one, 0)


async def test_a_subscription_that_is_lost_ends_for_everybody_and_can_be_begun_again(
    url: str, upstream: HttpUpstream
) -> None:
    async with AsyncExitStack() as stack:
        clients = await _clients(stack, url, 2)
        heard = [await stack.enter_async_context(client.listen(tools_list_changed=True)) for client in clients]
        await upstream.kill()
        for events in heard:
            async with asyncio.timeout(10):
                with pytest.raises((SubscriptionLost, MCPError)):
                    await anext(aiter(events))
        async with (
            http_upstream(Transport.STREAMABLE_HTTP, port=upstream.port),
            clients[0].listen(tools_list_changed=True),
        ):
            assert await _listening(clients[1]) == 1


async def test_a_resource_of_a_handshake_era_server_is_unsubscribed_from_once_nobody_listens() -> None:
    async with http_upstream(Transport.STREAMABLE_HTTP, "--era", "handshake", module="everything") as running:
        server = UpstreamServer("local", "up", "Up", Launch(running.transport, url=running.url))
        async with open_door(server, Limits()) as url, AsyncExitStack() as stack:
            one, other = await _clients(stack, url, 2)
            async with one.listen(resource_subscriptions=[fx.WATCHED]):
                async with other.listen(resource_subscriptions=[fx.WATCHED]):
                    assert await _said(one, "test_watched") == fx.WATCHED
                assert await _said(one, "test_watched") == fx.WATCHED
            async with asyncio.timeout(10):
                while await _said(one, "test_watched"):
                    pass


async def test_what_a_slow_client_has_not_read_is_kept_once_and_in_order() -> None:
    ear = _Ear()
    for number in (1, 2, 1, 1):
        ear.put(Notice("notifications/resources/updated", {"uri": f"test://{number}"}))
    ear.close()
    told = [await ear.next() for _ in range(3)]
    assert [notice and notice.params for notice in told] == [{"uri": "test://1"}, {"uri": "test://2"}, None]

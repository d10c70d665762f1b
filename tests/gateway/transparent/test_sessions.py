"""A session of the handshake era in front of an upstream that is restarted."""

from __future__ import annotations

import asyncio

import mcp_types as types
import pytest
from mcp import Client

from domain.servers import Launch, Transport, UpstreamServer
from servers.limits import Limits
from tests.bridge.features import hears
from tests.conformance.client import open_door
from tests.conformance.fixtures import WATCHED
from tests.upstreams.running import http_upstream

pytestmark = pytest.mark.anyio
HTTP = Transport.STREAMABLE_HTTP


@pytest.mark.parametrize("era", ["handshake", "modern"])
async def test_what_a_session_subscribed_to_it_hears_of_after_a_restart_too(era: str) -> None:
    told: asyncio.Queue[str] = asyncio.Queue()
    async with http_upstream(HTTP, "--era", era, module="everything") as first:
        server = UpstreamServer("local", "up", "Up", Launch(HTTP, url=first.url))
        async with open_door(server, Limits()) as url, Client(url, mode="legacy", **hears(told)) as client:
            subscribe = types.SubscribeRequest(params=types.SubscribeRequestParams(uri=WATCHED))
            await client.session.send_request(subscribe, types.EmptyResult)
            await first.kill()
            async with http_upstream(HTTP, "--era", era, module="everything", port=first.port), asyncio.timeout(15):
                while told.empty():  # the first call notices that the server was restarted
                    await client.call_tool("test_trigger_resource_update", {})
                assert await told.get() == f"updated: {WATCHED}"

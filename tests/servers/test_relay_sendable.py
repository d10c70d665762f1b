"""What a client sends that is no JSON, or too deep for parsers, costs itself and not the connection of the others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from mcp import MCPError

from domain.errors import InvalidInput
from servers.limits import Limits
from servers.relay.connection import RelayConnection
from servers.relay.exchange import Answer, Notice, Question
from servers.relay.hello import Hello
from servers.sendable import MAX_NESTING
from tests.servers.conftest import PATIENT
from tests.upstreams.running import stdio_server

pytestmark = pytest.mark.anyio

DEEP: Any = "x"
for _ in range(MAX_NESTING + 20):
    DEEP = [DEEP]
HALF = "\ud800"


def nowhere(_event: Notice | Question) -> None:
    """What belongs to no request is not looked at here."""


@pytest.fixture
async def relay() -> AsyncIterator[RelayConnection]:
    hello = Hello({"elicitation": {}})
    connection = RelayConnection(stdio_server("everything"), Limits(PATIENT), hello, nowhere)
    await connection.ready()
    yield connection
    await connection.close()


async def answer_of(relay: RelayConnection, name: str, reply: Any = None, **arguments: Any) -> dict[str, Any]:
    """The result of a call whose question, if there is one, is answered with `reply`."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": relay.peer.protocol_version if relay.peer else "",
        "io.modelcontextprotocol/clientInfo": {"name": "t", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    exchange = relay.begin("tools/call", {"name": name, "arguments": arguments, "_meta": meta})
    while not isinstance(event := await exchange.next(), Answer):
        if isinstance(event, Question):
            event.answer(reply)
    return dict(event.result)


@pytest.mark.parametrize("bad", [DEEP, HALF, float("nan")], ids=["deep", "half a character", "NaN"])
async def test_a_request_that_cannot_be_sent_is_refused_and_one_under_way_survives(
    relay: RelayConnection, bad: Any
) -> None:
    under_way = asyncio.create_task(answer_of(relay, "test_simple_text"))
    with pytest.raises(InvalidInput, match=r"^The params of 'tools/call' (are not valid JSON|nest deeper)"):
        relay.begin("tools/call", {"name": "test_simple_text", "arguments": {"more": bad}})
    with pytest.raises(InvalidInput, match=r"^The params of 'notifications/progress'"):
        await relay.notify("notifications/progress", {"progressToken": 1, "message": bad})
    assert (await under_way)["content"]
    assert (await answer_of(relay, "test_simple_text"))["content"]
    assert not relay.ended


@pytest.mark.parametrize("bad", [DEEP, HALF], ids=["deep", "half a character"])
async def test_an_answer_that_cannot_be_sent_fails_its_call_alone(bad: Any) -> None:
    hello = Hello({"elicitation": {}, "sampling": {}})
    server = stdio_server("everything", "--era", "handshake")
    relay = RelayConnection(server, Limits(PATIENT), hello, nowhere)
    await relay.ready()
    with pytest.raises(MCPError, match=r"The client's answers to 'elicitation/create' "):
        await answer_of(relay, "test_elicitation", {"action": "accept", "content": {"x": bad}}, message="who?")
    assert (await answer_of(relay, "test_simple_text"))["content"]
    await relay.close()


@pytest.mark.parametrize("bad", [DEEP, HALF], ids=["deep", "half a character"])
def test_a_client_that_cannot_be_introduced_is_refused(bad: Any) -> None:
    with pytest.raises(InvalidInput, match=r"^The client's capabilities"):
        Hello({"experimental": {"x": bad}})
    with pytest.raises(InvalidInput, match=r"^The client's words about itself"):
        Hello({}, {"name": bad, "version": "1"})

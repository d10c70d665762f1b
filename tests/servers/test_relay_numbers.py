"""A request that is repeated over another connection has another id (SEP-2322)."""

from __future__ import annotations

import asyncio

import pytest

from servers.limits import Limits
from servers.relay.connection import RelayConnection
from servers.relay.exchange import Notice, Question
from servers.relay.hello import Hello
from tests.servers.conftest import PATIENT
from tests.upstreams.running import stdio_server

pytestmark = pytest.mark.anyio


def nowhere(_event: Notice | Question) -> None:
    """What belongs to no request is not looked at here."""


async def test_no_two_connections_number_a_request_alike() -> None:
    server, limits = stdio_server("everything"), Limits(PATIENT)
    both = [RelayConnection(server, limits, Hello({}), nowhere) for _ in range(2)]
    try:
        await asyncio.gather(*(connection.ready() for connection in both))
        numbers = [connection.begin("tools/list", {}).number for connection in both for _ in range(3)]
    finally:
        await asyncio.gather(*(connection.close() for connection in both))
    assert len(set(numbers)) == 6

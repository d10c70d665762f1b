"""Sixteen at once, sixty-four in line, the next one is told when to come back."""

from __future__ import annotations

import asyncio

import pytest

from domain.errors import Overloaded, UpstreamTimeout
from servers.limits import Caps
from servers.resilience.bulkhead import Bulkhead
from tests.servers.conftest import PATIENT, MakePool
from tests.upstreams.running import stdio_server

pytestmark = pytest.mark.anyio


async def test_places_are_given_in_order_and_the_line_has_an_end() -> None:
    bulkhead = Bulkhead("up", Caps(in_flight=1, queued=2))
    order: list[int] = []
    leave = asyncio.Event()

    async def visit(number: int) -> None:
        async with bulkhead.place():
            order.append(number)
            await leave.wait()

    visits = [asyncio.create_task(visit(number)) for number in range(4)]
    with pytest.raises(Overloaded, match="'up' has 2 requests in line already") as refusal:
        await visits[3]
    assert refusal.value.retry_after_s == 1.0
    assert order == [0]
    leave.set()
    await asyncio.gather(*visits[:3])
    assert order == [0, 1, 2]


async def test_a_visitor_that_gives_up_frees_its_place_in_line() -> None:
    bulkhead = Bulkhead("up", Caps(in_flight=1, queued=1))
    async with bulkhead.place():
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01), bulkhead.place():
                    pytest.fail("there is no place")
    async with asyncio.timeout(1), bulkhead.place():
        """Nobody is in front."""


async def test_a_pool_refuses_what_one_slow_server_cannot_take_and_serves_the_others(make_pool: MakePool) -> None:
    pool = make_pool(PATIENT, Caps(in_flight=2, queued=3))
    slow, quick = stdio_server("reference", slug="slow"), stdio_server("reference", slug="quick")
    await pool.list_tools(slow)
    calls = [asyncio.create_task(pool.call(slow, "slow", {"seconds": 600}, timeout_s=3)) for _ in range(6)]
    assert not (await pool.call(quick, "echo", {"text": "here"})).is_error
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [UpstreamTimeout] * 5 + [Overloaded]
    assert not (await pool.call(slow, "echo", {"text": "free again"})).is_error

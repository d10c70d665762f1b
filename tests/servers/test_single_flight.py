"""One piece of work for all who ask meanwhile; it ends with the last of them."""

from __future__ import annotations

import asyncio

import pytest

from servers.resilience.single_flight import SingleFlight

pytestmark = pytest.mark.anyio


async def test_all_who_ask_meanwhile_get_the_one_outcome_and_the_next_asks_anew() -> None:
    flight: SingleFlight[int] = SingleFlight()
    begun = 0
    go = asyncio.Event()

    async def work() -> int:
        nonlocal begun
        begun += 1
        await go.wait()
        return begun

    asking = [asyncio.create_task(flight.run(work)) for _ in range(5)]
    await asyncio.sleep(0)
    go.set()
    assert await asyncio.gather(*asking) == [1] * 5
    assert await flight.run(work) == 2


async def test_a_failure_reaches_all() -> None:
    flight: SingleFlight[int] = SingleFlight()

    async def work() -> int:
        await asyncio.sleep(0)
        raise LookupError

    outcomes = await asyncio.gather(*(flight.run(work) for _ in range(3)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [LookupError] * 3


async def test_who_gives_up_does_not_take_the_work_from_the_others_and_the_last_one_does() -> None:
    flight: SingleFlight[int] = SingleFlight()
    ended = asyncio.Event()

    async def work() -> int:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return 0

    first, second = (asyncio.create_task(flight.run(work)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait({first})
    assert not ended.is_set()
    second.cancel()
    await asyncio.wait({second})
    await asyncio.wait_for(ended.wait(), 1)

"""Questions that come together are answered together, and nobody's failure or impatience is another's."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from domain.errors import ModelUnavailable
from policy_client.deciders.gathering import Batches

pytestmark = pytest.mark.anyio


class Held:
    """Doubles numbers when it is let; a batch with 13 in it fails."""

    def __init__(self) -> None:
        self.let = asyncio.Event()
        self.begun = asyncio.Event()

    async def __call__(self, batch: Sequence[int]) -> Sequence[int]:
        self.begun.set()
        await self.let.wait()
        if 13 in batch:
            raise ModelUnavailable("13")
        return [2 * number for number in batch]


async def test_what_comes_while_a_batch_runs_makes_the_next_one() -> None:
    work = Held()
    batches = Batches(work, most=4)
    first = asyncio.create_task(batches.answer(0))
    await work.begun.wait()
    rest = [asyncio.create_task(batches.answer(number)) for number in range(1, 7)]
    await asyncio.sleep(0)
    work.let.set()

    assert await asyncio.gather(first, *rest) == [0, 2, 4, 6, 8, 10, 12]
    assert batches.sizes == [1, 4, 2]


async def test_a_failure_is_told_to_its_batch_alone_and_the_next_one_is_answered() -> None:
    work = Held()
    work.let.set()
    batches = Batches(work)

    told = await asyncio.gather(batches.answer(13), batches.answer(1), return_exceptions=True)

    assert [type(one) for one in told] == [ModelUnavailable, ModelUnavailable]
    assert await batches.answer(2) == 4


async def test_a_caller_that_gives_up_takes_nobody_s_answer_away() -> None:
    work = Held()
    batches = Batches(work)
    leaving, staying = (asyncio.create_task(batches.answer(number)) for number in (1, 2))
    await work.begun.wait()
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    work.let.set()

    assert await staying == 4


async def test_closing_gives_up_what_is_under_way() -> None:
    work = Held()
    batches = Batches(work)
    waiting = asyncio.create_task(batches.answer(1))
    await work.begun.wait()

    await batches.aclose()

    with pytest.raises(asyncio.CancelledError):
        await waiting

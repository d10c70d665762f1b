"""What comes at about the same time is done at once, and each gets what is its own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from domain.errors import NotFound, StoreUnavailable, ToolcribError
from store.batches import Batches

pytestmark = pytest.mark.anyio


class Work:
    """Doubles numbers; remembers the batches. Odd numbers are not found, and a batch with -1 in it fails as a whole."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.begun = asyncio.Event()
        self.may_go = asyncio.Event()
        self.may_go.set()

    async def __call__(self, items: Sequence[int]) -> Sequence[int | ToolcribError]:
        self.batches.append(list(items))
        self.begun.set()
        await self.may_go.wait()
        if -1 in items:
            raise StoreUnavailable("Away.")
        return [NotFound(f"{item} is odd.") if item % 2 else 2 * item for item in items]


async def test_what_comes_while_a_batch_is_under_way_is_the_next_one_and_everybody_gets_their_own() -> None:
    work = Work()
    batches: Batches[int, int] = Batches(work)
    work.may_go.clear()
    first = asyncio.create_task(batches.do(2))
    await work.begun.wait()
    others = [asyncio.create_task(batches.do(item)) for item in (4, 6, 8)]
    await asyncio.sleep(0)
    work.may_go.set()
    assert [await task for task in (first, *others)] == [4, 8, 12, 16]
    assert work.batches == [[2], [4, 6, 8]]


async def test_an_error_of_one_item_is_its_callers_alone_and_a_failure_of_the_work_is_everybodys() -> None:
    batches: Batches[int, int] = Batches(Work())
    found = await asyncio.gather(*(batches.do(item) for item in (2, 3, 4)), return_exceptions=True)
    assert [type(one) for one in found] == [int, NotFound, int]
    failed = await asyncio.gather(*(batches.do(item) for item in (2, -1)), return_exceptions=True)
    assert [type(one) for one in failed] == [StoreUnavailable, StoreUnavailable]
    assert await batches.do(2) == 4


async def test_a_batch_has_a_bound_and_a_caller_that_gives_up_takes_nobody_with_it() -> None:
    work = Work()
    batches: Batches[int, int] = Batches(work, most=2)
    tasks = [asyncio.create_task(batches.do(item)) for item in (2, 4, 6)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(found[0], asyncio.CancelledError)
    assert found[1:] == [8, 12]
    assert [len(batch) for batch in work.batches] == [2, 1]
    await batches.close()


async def test_batches_that_are_kept_apart_gather_what_trickles_in_and_let_nobody_alone_wait() -> None:
    work = Work()
    batches: Batches[int, int] = Batches(work, apart_s=0.2)
    clock = asyncio.get_running_loop().time
    began = clock()
    assert await batches.do(2) == 4
    alone_s = clock() - began
    trickle = [asyncio.create_task(batches.do(4))]
    for item in (6, 8):
        for _ in range(5):  # each comes when the one before waits already
            await asyncio.sleep(0)
        trickle.append(asyncio.create_task(batches.do(item)))
    await asyncio.gather(*trickle)
    assert work.batches == [[2], [4, 6, 8]]
    assert alone_s < 0.2 <= clock() - began

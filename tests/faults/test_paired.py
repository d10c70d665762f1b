"""The judge of the recipes' ratios is judged here: equal things are equal under any noise, unequal ones are not."""

from __future__ import annotations

import asyncio
import random
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.faults.paired import MORE, Ratio, Round, in_pairs

SAMPLES = 50


def test_a_slowdown_beyond_the_target_is_found_under_loud_noise() -> None:
    ratio = Ratio(median, 1.2)
    assert _judge(ratio, slowdown=2.0, pairs=100) > 1.2
    assert ratio.bounds[0] > 1.2


def test_equal_things_pass_under_loud_noise() -> None:
    ratio = Ratio(median, 1.2)
    assert _judge(ratio, slowdown=1.0, pairs=200) <= 1.2
    assert ratio.bounds[1] <= 1.2


def test_clear_cases_take_the_fewest_rounds_and_close_ones_all_the_time_there_is() -> None:
    clear, close = Ratio(median, 100.0), Ratio(median, 1.0)
    _judge(clear, slowdown=1.0, pairs=30)
    _judge(close, slowdown=1.0, pairs=30)
    assert (len(clear.pairs), len(close.pairs)) == (8, 30)


@pytest.mark.parametrize(("target", "pairs"), [(1.1, 20), (1.0, 20 * MORE)])
def test_a_doubt_beyond_the_target_gets_more_time_and_no_other_target(target: float, pairs: int) -> None:
    ratio = Ratio(median, target)

    async def pair(number: int) -> tuple[list[float], list[float]]:
        return [1.0], [1.2 if number % 2 else 0.9]

    judged = in_pairs(pair, {"p50": ratio}, fewest=8, patience_s=20.0, clock=lambda: float(len(ratio.pairs)))
    assert asyncio.run(judged)["p50"] == pytest.approx(1.05)
    assert (len(ratio.pairs), ratio.decided) == (pairs, False)


def test_fewer_pairs_than_can_tell_decide_nothing() -> None:
    ratio = Ratio(median, 1.1)
    for _ in range(7):
        ratio.add([1.0], [1.0])
    assert not ratio.decided
    ratio.add([1.0], [1.0])
    assert ratio.decided


@given(st.lists(st.floats(0.01, 100.0), min_size=8, max_size=60))
def test_the_value_lies_within_its_bounds(pairs: list[float]) -> None:
    ratio = Ratio(median, 1.0, pairs)
    low, high = ratio.bounds
    assert min(pairs) <= low <= ratio.value <= high <= max(pairs)


def _judge(ratio: Ratio, *, slowdown: float, pairs: int) -> float:
    """The value after at most so many pairs, each of which takes a second of a clock of its own."""
    chance = random.Random(1)
    quiet, faulty = _noisy(chance, 1.0), _noisy(chance, slowdown)
    now = 0.0

    async def pair(_number: int) -> tuple[list[float], list[float]]:
        nonlocal now
        now += 1.0
        return await quiet(), await faulty()

    judged = in_pairs(pair, {"p50": ratio}, fewest=8, patience_s=pairs, clock=lambda: now)
    return asyncio.run(judged)["p50"]


def _noisy(chance: random.Random, seconds: float) -> Round:
    async def one() -> list[float]:
        neighbour = chance.lognormvariate(0.0, 0.5)
        return [seconds * neighbour * chance.lognormvariate(0.0, 1.0) for _ in range(SAMPLES)]

    return one

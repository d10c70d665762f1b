"""Runs the steps of a plan, as many at once as the limits allow, the most urgent first. List scheduling: while a place
is free and a step is ready, nothing waits, so a plan never takes longer than its steps one after the other.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from domain.plan import Plan


@dataclass(frozen=True, slots=True)
class Places:
    """How many steps run at once: at one lane (a server), and in all."""

    of_lane: int = 4
    in_all: int = 16


async def run_steps(
    plan: Plan,
    run: Callable[[str], Awaitable[bool]],
    lanes: Mapping[str, str],
    ranks: Mapping[str, float],
    places: Places,
) -> frozenset[str]:
    """The steps that were not run since one that they need did not succeed. `run`: whether a step did; `lanes`: of each
    step; `ranks`: the higher the sooner. What `run` raises ends the others and is raised.
    """
    left = {step: set(needs) for step, needs in plan.needs.items()}
    busy: Counter[str] = Counter()
    running: dict[asyncio.Task[bool], str] = {}
    skipped: set[str] = set()
    try:
        while left or running:
            ready = sorted((step for step, needs in left.items() if not needs), key=lambda step: (-ranks[step], step))
            for step in ready:
                if len(running) < places.in_all and busy[lanes[step]] < places.of_lane:
                    del left[step]
                    busy[lanes[step]] += 1
                    running[asyncio.ensure_future(run(step))] = step
            done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                step = running.pop(task)
                busy[lanes[step]] -= 1
                if not task.result():
                    skipped |= _drop(plan, left, step)
                for needs in left.values():
                    needs.discard(step)
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    return frozenset(skipped)


def _drop(plan: Plan, left: dict[str, set[str]], failed: str) -> set[str]:
    """Take everything that needs `failed`, also through others, out of what is left."""
    gone = {failed}
    for step in plan.order:
        if step in left and plan.needs[step] & gone:
            gone.add(step)
            del left[step]
    return gone - {failed}

"""How soon a change of one server is found by a search: announced, announced in the middle of a burst, or polled for.

The gateway follows the whole market meanwhile, as `toolcrib serve` does.
"""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path
from typing import Any

from rich.progress import Progress

from benchmarks.finance.catalogue import FinanceServer
from benchmarks.finance.house import finds, house
from benchmarks.finance.running import Running
from benchmarks.report import Promise
from gateway.wiring import Toolcrib

POLL_S = 60.0
BURST = 12
_LOOK_S = 0.02
_GIVES_UP_S = 150.0
_PAUSE_S = 0.25


async def measure_news(
    folder: Path, running: Running, bar: Progress, *, announcing: int, rounds: int, polled: int
) -> tuple[list[Promise], dict[str, Any]]:
    """The slowest of `rounds` changes that are announced, alone and in a burst, and of `polled` that are not. The first
    `announcing` servers of the market announce changes.
    """
    chance = random.Random(1)
    announcers, others = running.servers[:announcing], running.servers[announcing:]
    task = bar.add_task("changes until they are found", total=2 * rounds + polled)
    took: dict[str, list[float]] = {"announced": [], "burst": [], "polled": []}
    async with house(folder, running, follow=True, poll_s=POLL_S) as crib:
        await running.listening(announcing)
        for server in chance.sample(announcers, rounds):
            took["announced"].append(await _until_found(crib, running, server, announce=True))
            bar.advance(task)
        for server in chance.sample(announcers, rounds):
            took["burst"].append(await _burst(crib, running, server))
            bar.advance(task)
        silent = chance.sample(others, min(polled, len(others)))
        took["polled"] += await asyncio.gather(
            *(_until_found(crib, running, server, announce=False) for server in silent)
        )
        bar.advance(task, polled)
    targets = {"announced": 2.0, "burst": 7.0, "polled": POLL_S}
    promises = [Promise(f"change_{kind}_found_in", max(took[kind]), targets[kind], "s") for kind in took if took[kind]]
    return promises, {kind: [round(one, 3) for one in times] for kind, times in took.items()} | {"poll_s": POLL_S}


async def _burst(crib: Toolcrib, running: Running, server: FinanceServer) -> float:
    """A dozen announced changes in three seconds; how long the last of them takes to be found."""
    for _ in range(BURST - 1):
        await running.operate(change=[server.slug], announce=True)
        await asyncio.sleep(_PAUSE_S)
    return await _until_found(crib, running, server, announce=True)


async def _until_found(crib: Toolcrib, running: Running, server: FinanceServer, *, announce: bool) -> float:
    began = time.perf_counter()
    changed = await running.operate(change=[server.slug], announce=announce)
    word = server.edition_word(changed["editions"][server.slug])
    async with asyncio.timeout(_GIVES_UP_S):
        while not await finds(crib, word, server.tool_id):  # noqa: ASYNC110 - nobody tells clients when to ask again
            await asyncio.sleep(_LOOK_S)
    return time.perf_counter() - began

"""What must not happen: a write where nothing changed, and a reader who sees half of a change.

The market is synced a hundred times, every server in two requests at once, one of them listed in pages of another order
each time. Then all tools of that server change again and again while readers look: at the store, and through search.
"""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path
from typing import Any

from rich.progress import Progress

from benchmarks.finance import exchange
from benchmarks.finance.catalogue import TENANT
from benchmarks.finance.house import Held, house
from benchmarks.finance.running import Running
from benchmarks.report import Promise
from domain.identity import Principal
from gateway.use_cases.search import Ask
from gateway.wiring import Toolcrib

READERS = 4
_LOOKING = Principal(TENANT, "reader")


async def measure_idempotence(
    folder: Path, running: Running, bar: Progress, *, syncs: int, looks: int
) -> tuple[list[Promise], dict[str, Any]]:
    """`syncs` of everything, then `looks` by readers under load."""
    async with house(folder, running) as crib:
        await crib.store.servers.add(exchange.upstream(running.origin))
        slugs = [server.slug for server in await crib.store.servers.list(TENANT)]
        await _sync(crib, slugs)
        written = await _again(crib, slugs, syncs, bar)
        embedded = crib.index.counters.embedded
        partial, seen = await _under_load(crib, running, looks, bar)
    promises = [
        Promise(f"rows_written_by_{syncs}_syncs_after_the_first", written, 0),
        Promise(f"partial_generations_in_{looks}_looks", partial, 0),
        Promise("generations_seen_meanwhile", seen, 5, at_most=False),
    ]
    return promises, {"servers": len(slugs), "syncs": syncs, "looks": looks, "embedded_once": embedded}


async def _sync(crib: Toolcrib, slugs: list[str]) -> None:
    runs = await asyncio.gather(*(crib.engine.sync_server(TENANT, slug, "command") for slug in slugs))
    failed = [run for run in runs if run.error is not None or run.warnings]
    assert not failed, failed[0]


async def _again(crib: Toolcrib, slugs: list[str], syncs: int, bar: Progress) -> int:
    """Rows written, and texts embedded, by so many more syncs of everything."""
    before, embedded = await Held.of(crib.store), crib.index.counters.embedded
    task = bar.add_task(f"{syncs} syncs", total=syncs)
    for number in range(syncs):
        twice = [*slugs, *reversed(slugs)] if number % 2 else [*slugs, exchange.SLUG, exchange.SLUG]
        await _sync(crib, twice)
        bar.advance(task)
    return before.rows_that_differ(await Held.of(crib.store)) + crib.index.counters.embedded - embedded


async def _under_load(crib: Toolcrib, running: Running, looks: int, bar: Progress) -> tuple[int, int]:
    """Mixtures that readers saw, and generations that they saw whole."""
    task = bar.add_task(f"{looks} looks", total=looks)
    left = itertools.count()
    partial, seen = 0, set[str]()

    async def read() -> None:
        nonlocal partial
        for number in iter(lambda: next(left), looks):
            if number > looks:
                return
            found = await _look(crib, number)
            partial += len(found) > 1
            seen.update(found)
            bar.advance(task)

    async def change() -> None:
        while True:
            await running.operate(exchange=True)
            await _sync(crib, [exchange.SLUG])

    changing = asyncio.create_task(change())
    try:
        await asyncio.gather(*(read() for _ in range(READERS)))
    finally:
        changing.cancel()
        await asyncio.gather(changing, return_exceptions=True)
    return partial, len(seen)


async def _look(crib: Toolcrib, number: int) -> set[str]:
    """The editions that one look at some tools of the exchange shows: one, unless the catalogue is torn."""
    if number % 4 == 0:
        known = await crib.store.catalogue.known(TENANT, exchange.SLUG)
        return exchange.editions(known)
    if number % 4 == 1:
        answer = await crib.search(_LOOKING, Ask(("revenue on the exchange",), k=20))
        return exchange.editions(tool.entry for tool in answer.tools if tool.entry.server == exchange.SLUG)
    names = await crib.catalogue.names(TENANT, exchange.SLUG)
    some = names[number % len(names) :: 7]
    return exchange.editions(tool.entry for tool in (await crib.catalogue.get_many(TENANT, some)).values())

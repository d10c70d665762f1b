"""Cold, warm, changed and removed: what a sync of the whole market takes, beside what it cannot do without."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

from rich.progress import Progress

from benchmarks.finance.bare import bare_embedding, bare_listing
from benchmarks.finance.house import Held, house, sync_all
from benchmarks.finance.running import Running
from benchmarks.report import Promise
from domain.catalogue import SyncRun
from gateway.wiring import Toolcrib

T = TypeVar("T")

SHARE = 100
"""One of so many servers changes."""

ROUNDS = 3
"""Warm syncs, each between two bare listings."""


@dataclass(frozen=True, slots=True)
class Pass:
    """One sync of every server."""

    took_s: float
    added: int
    changed: int
    removed: int
    failed: int
    embedded: int
    rows_written: int


async def measure_syncs(folder: Path, running: Running, bar: Progress) -> tuple[list[Promise], dict[str, Any]]:
    """The four passes on an empty data folder, and the promises about them."""
    servers = running.servers
    await _counted(bar, "warming the servers up", len(servers), lambda tick: bare_listing(running, tick))
    listing = [await _counted(bar, "bare listing", len(servers), lambda tick: bare_listing(running, tick))]
    embedding, texts = await _counted(
        bar, "bare embedding", 2 * len(servers), lambda tick: bare_embedding(servers, tick)
    )
    async with house(folder, running) as crib:
        cold = await _pass(bar, crib, "cold sync", len(servers))
        warm = []
        for _ in range(ROUNDS):
            listing.append(await _counted(bar, "bare listing", len(servers), lambda tick: bare_listing(running, tick)))
            warm.append(await _pass(bar, crib, "warm sync", len(servers)))
        share = [server.slug for server in servers[::SHARE]]
        await running.operate(change=share)
        changed = await _pass(bar, crib, f"{len(share)} changed", len(servers))
        await running.operate(remove=share)
        removed = await _pass(bar, crib, f"{len(share)} removed", len(servers))
        await running.operate(restore=share)
        restored = await _pass(bar, crib, f"{len(share)} back again", len(servers))
    bare, middle = median(listing), median(one.took_s for one in warm)
    promises = [
        Promise("cold_sync_to_bare", cold.took_s / (embedding + bare), 1.3, "x"),
        Promise("cold_sync_embedded", cold.embedded, texts),
        Promise("warm_sync_to_bare_listing", middle / bare, 1.15, "x"),
        Promise("warm_sync_embedded", sum(one.embedded for one in warm), 0),
        Promise("warm_sync_rows_written", sum(one.rows_written for one in warm), 0),
        Promise("syncs_failed", sum(one.failed for one in (cold, *warm, changed, removed, restored)), 0),
        Promise("changed_missed", len(share) - changed.changed, 0),
        Promise("removed_missed", len(share) - removed.removed, 0),
    ]
    passes = {"cold": cold, "warm": warm[-1], "changed": changed, "removed": removed, "restored": restored}
    return promises, {
        "servers": len(servers),
        "bare_listing_s": [round(one, 3) for one in listing],
        "bare_embedding_s": round(embedding, 3),
        "texts": texts,
        "warm_s": [round(one.took_s, 3) for one in warm],
        "passes": {name: asdict(one) for name, one in passes.items()},
    }


async def _pass(bar: Progress, crib: Toolcrib, name: str, count: int) -> Pass:
    before, embedded = await Held.of(crib.store), crib.index.counters.embedded
    began = time.perf_counter()
    runs = await _counted(bar, name, count, lambda tick: sync_all(crib, tick))
    took = time.perf_counter() - began
    after = await Held.of(crib.store)
    return Pass(
        round(took, 3),
        _sum(runs, "added"),
        _sum(runs, "changed"),
        _sum(runs, "removed"),
        sum(run.error is not None or bool(run.warnings) for run in runs),
        crib.index.counters.embedded - embedded,
        before.rows_that_differ(after),
    )


def _sum(runs: list[SyncRun], what: str) -> int:
    return sum(getattr(run, what) for run in runs)


async def _counted(bar: Progress, name: str, total: int, work: Callable[[Callable[[int], None]], Awaitable[T]]) -> T:
    task = bar.add_task(name, total=total)
    return await work(lambda more: bar.advance(task, more))

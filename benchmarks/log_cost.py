"""What logging costs a search: p50 of searches that are logged over that of searches that are not.

    python -m benchmarks.log_cost [--queries 400] [--rounds 2]

One gateway in this process on a catalogue of 5,000 tools; every search is the first of a session, so that it fills a
memory too. There are four arms: two are logged, two have a journal that forgets at once. In each round every block of
BLOCK queries is asked in all arms, in an order drawn at random; so the two comparisons of equals (A/A) stand beside the
one that is asked for, taken in the same minutes. A block ends when what it logged is written, for events are made 50 ms
after a search and written .25 s after it: without that, the next arm pays.

Each search begins cold. An arm that asks what another has just asked finds its clauses' vectors known, so that half of
all searches take half the time; and the median of such times lies where there are none, at the mercy of a few.

The cost is the median, over searches, of what the same query took in the logged arms less what it took in the others:
queries differ threefold in length, and a ratio of medians would be about those. Interval: 95 %, bootstrap over blocks.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.generated_catalogue import mixed_queries
from benchmarks.prepared_folders import CACHE, prepared
from benchmarks.report import Promise, finish, percentiles
from domain.events import Event
from domain.identity import LOCAL
from gateway.event_log.journal import Journal
from gateway.settings import Settings
from gateway.use_cases.search import Ask, Search, SearchDefaults
from gateway.use_cases.sessions import Sessions
from gateway.wiring import Toolcrib, open_toolcrib
from index.clauses import clauses

TOOLS = 5_000
BLOCK = 20
WARM_UP = 2
"""Blocks."""
ROUNDS = 2000

LOGGED, SILENT = ("logged", "logged again"), ("silent", "silent again")

Times = Mapping[str, list[list[float]]]
"""By arm: milliseconds of every search, block by block."""


class Forgetful(Journal):
    """Takes nothing in."""

    def record(self, event: Event) -> Event:
        return event

    def record_soon(self, make: object) -> None:
        """Not even made."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--queries", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=2)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="toolcrib-bench-") as temporary:
        folder = asyncio.run(prepared(TOOLS, CACHE))
        copy = Path(shutil.copytree(folder, Path(temporary) / "data"))
        queries = mixed_queries()[: asked.queries]
        times, tails, written = asyncio.run(_taking_turns(copy, queries, asked.rounds))
    kept = {arm: blocks[WARM_UP:] for arm, blocks in times.items()}
    cost = _compared(kept, LOGGED, SILENT)
    equal = {
        "logged": _compared(kept, LOGGED[:1], LOGGED[1:]), "silent": _compared(kept, SILENT[:1], SILENT[1:])
    }  # fmt: skip
    for name, one in (("logged over silent", cost), *((f"{name}, equal arms", one) for name, one in equal.items())):
        print(f"{name}: {one['mean']:+.2f} % [{one['low']:+.2f}, {one['high']:+.2f}]")
    details: dict[str, Any] = {
        "tools": TOOLS,
        "searches": sum(map(len, (block for blocks in kept.values() for block in blocks))),
        "events": written,
        "ms": {arm: percentiles([one for block in blocks for one in block]) for arm, blocks in kept.items()},
        "cost_percent": cost,
        "equal_arms_percent": equal,
        "writing_ms_per_search": {arm: round(float(np.mean(found)) / BLOCK, 3) for arm, found in tails.items()},
    }
    promises = [
        Promise("log_cost_of_search_p50", cost["mean"], 5, " %"),
        Promise("log_cost_of_search_p50_upper", cost["high"], 5, " %"),
    ]
    finish("log_cost", promises, details)


async def _taking_turns(folder: Path, queries: Sequence[str], rounds: int) -> tuple[Times, dict[str, list[float]], int]:
    """Times of searches; of writing what a block has logged, after it; and how many events were written."""
    dice = np.random.default_rng(3)
    times: dict[str, list[list[float]]] = {arm: [] for arm in (*LOGGED, *SILENT)}
    tails: dict[str, list[float]] = {arm: [] for arm in times}
    async with open_toolcrib(Settings(data=folder), follow=False) as crib:
        ways = dict.fromkeys(LOGGED, crib.search) | {arm: _silent(crib) for arm in SILENT}
        for _ in range(rounds):
            for start in range(0, len(queries) - BLOCK + 1, BLOCK):
                for arm in dice.permutation(list(ways)).tolist():
                    times[arm].append(await _block(crib, ways[arm], queries[start : start + BLOCK]))
                    began = time.perf_counter()
                    await crib.journal.flush()
                    tails[arm].append((time.perf_counter() - began) * 1e3)
        return times, tails, crib.journal.written


async def _block(crib: Toolcrib, search: Search, queries: Sequence[str]) -> list[float]:
    sessions = [(await crib.sessions.open(LOCAL)).id for _ in queries]
    await crib.journal.flush()
    taken = []
    for text, session in zip(queries, sessions, strict=True):
        _forget(crib)
        began = time.perf_counter()
        await search(LOCAL, Ask((text,), session_id=session))
        taken.append((time.perf_counter() - began) * 1e3)
    return taken


def _forget(crib: Toolcrib) -> None:
    """What the process knows of queries that were asked before."""
    clauses.cache_clear()
    crib.index.serving.queries._known.clear()  # noqa: SLF001 - nobody else wants a cold cache


def _compared(times: Times, one: Sequence[str], other: Sequence[str]) -> dict[str, float]:
    """By how many percent a query takes longer in some arms than in others, geometric mean over equal arms."""
    first, second = (np.log(np.array([times[arm] for arm in arms])).mean(axis=0) for arms in (one, other))
    apart = first - second  # (blocks, BLOCK)
    drawn = np.random.default_rng(8).integers(0, len(apart), (ROUNDS, len(apart)))
    low, high = np.quantile([np.median(apart[blocks]) for blocks in drawn], [0.025, 0.975])
    return {name: 100.0 * float(np.expm1(value)) for name, value in
            (("mean", np.median(apart)), ("low", low), ("high", high))}  # fmt: skip


def _silent(crib: Toolcrib) -> Search:
    journal = Forgetful(crib.store.events, crib.freshness.versions)
    sessions = Sessions(crib.store, crib.catalogue, journal, crib.sessions._defaults)  # noqa: SLF001 - the same, but for the log
    return Search(
        crib.search._index,  # noqa: SLF001
        crib.catalogue, sessions, journal, crib.freshness, SearchDefaults(crib.settings.profile, crib.settings.k),
    )  # fmt: skip


if __name__ == "__main__":
    main()

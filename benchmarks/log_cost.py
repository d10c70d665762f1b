"""What logging costs a search: p50 of searches that are logged over that of searches that are not.

    python -m benchmarks.log_cost [--queries 400]

One gateway in this process on a catalogue of 5,000 tools, with sessions, so that a search fills a memory too. Blocks of
searches with the journal and with one that forgets at once take turns. The writer of the log runs all the while.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import tempfile
import time
from pathlib import Path

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

TOOLS = 5_000
BLOCK = 20
WARM_UP = 40


class Forgetful(Journal):
    """Takes nothing in."""

    def record(self, event: Event) -> Event:
        return event

    def record_soon(self, make: object) -> None:
        """Not even made."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--queries", type=int, default=400)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="toolcrib-bench-") as temporary:
        folder = asyncio.run(prepared(TOOLS, CACHE))
        copy = Path(shutil.copytree(folder, Path(temporary) / "data"))
        times, written = asyncio.run(_taking_turns(copy, mixed_queries()[: asked.queries]))
    logged, silent = (percentiles(times[name][WARM_UP:]) for name in ("logged", "silent"))
    cost = 100 * (logged["p50"] / silent["p50"] - 1)
    details = {"tools": TOOLS, "searches": asked.queries, "logged_ms": logged, "silent_ms": silent, "events": written}
    finish("log_cost", [Promise("log_cost_of_search_p50", cost, 5, " %")], details)


async def _taking_turns(folder: Path, queries: list[str]) -> tuple[dict[str, list[float]], int]:
    """Milliseconds of every search, by whether it was logged; every query is asked both ways, each first in turn."""
    times: dict[str, list[float]] = {"logged": [], "silent": []}
    async with open_toolcrib(Settings(data=folder), follow=False) as crib:
        ways = {"logged": crib.search, "silent": _silent(crib)}
        session = (await crib.sessions.open(LOCAL)).id
        for start in range(0, len(queries), BLOCK):
            for name in sorted(ways, reverse=start // BLOCK % 2 == 0):
                for text in queries[start : start + BLOCK]:
                    # A blank more is another text for the cache of query vectors, and the same work.
                    said = text if name == "logged" else f"{text} "
                    began = time.perf_counter()
                    await ways[name](LOCAL, Ask((said,), session_id=session))
                    times[name].append((time.perf_counter() - began) * 1e3)
        await crib.journal.flush()
        return times, crib.journal.written


def _silent(crib: Toolcrib) -> Search:
    journal = Forgetful(crib.store.events, crib.freshness.versions)
    sessions = Sessions(crib.store, crib.catalogue, journal, crib.sessions._defaults)  # noqa: SLF001 - the same, but for the log
    return Search(
        crib.search._index,  # noqa: SLF001
        crib.catalogue, sessions, journal, crib.freshness, SearchDefaults(crib.settings.profile, crib.settings.k),
    )  # fmt: skip


if __name__ == "__main__":
    main()

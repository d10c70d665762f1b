"""R1 and R3 on PostgreSQL: tests/chaos/kills.py says how."""

from __future__ import annotations

from benchmarks.report import Promise
from tests.chaos.kills import promises_on


async def run(*, full: bool) -> list[Promise]:
    return await promises_on("postgresql", full=full)

"""Pools with short deadlines, closed after the test."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from servers.limits import Caps, Deadlines, Limits
from servers.pool import ServerPool

QUICK = Deadlines(connect_s=3.0, probe_s=1.0, list_s=10.0, call_s=10.0, stop_s=0.5)
"""For tests that wait for a deadline to pass."""

PATIENT = Deadlines(connect_s=30.0, probe_s=15.0, list_s=60.0, call_s=60.0, stop_s=0.5)
"""For the others, on a busy machine."""

MakePool = Callable[..., ServerPool]


@pytest.fixture
async def make_pool() -> AsyncIterator[MakePool]:
    """Makes pools: `make_pool(deadlines=..., caps=..., on_list_changed=...)`."""
    made: list[ServerPool] = []

    def make(deadlines: Deadlines = PATIENT, caps: Caps | None = None, **options: object) -> ServerPool:
        pool = ServerPool(Limits(deadlines, caps or Caps()), **options)  # type: ignore[arg-type]
        made.append(pool)
        return pool

    yield make
    for pool in made:
        await pool.aclose()


@pytest.fixture
def pool(make_pool: MakePool) -> ServerPool:
    return make_pool()


def processes_with(marker: str) -> set[int]:
    """Living processes whose command line or environment holds `marker`."""
    found = set()
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        try:
            zombie = (folder / "stat").read_bytes().rpartition(b")")[2].split()[0] == b"Z"
            text = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
        except OSError:
            continue
        if marker.encode() in text and not zombie:
            found.add(int(folder.name))
    return found

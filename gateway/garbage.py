"""How often the garbage collector looks, in a process that holds a catalogue."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

YOUNG = 20_000
"""Objects made and not freed until the youngest are looked at. Python's 700 is a few requests: a sync of thousands of
servers then spends a quarter of its time looking at objects that all of them still use."""


@contextmanager
def unhurried_collector() -> Iterator[None]:
    """Meanwhile; the process has one collector, so what it was told before counts again afterwards."""
    before = gc.get_threshold()
    gc.set_threshold(max(YOUNG, before[0]), *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)

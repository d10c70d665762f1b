"""Epoch seconds that do not jump: what expires by them survives a clock that is set while the process runs.

Counted from the start of the process by a clock that only goes forward, and on while the machine sleeps. A process that
starts after the clock was set goes by the new time.
"""

from __future__ import annotations

import time

_FORWARD = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # the former counts the time asleep; Linux has it
_STARTED_AT = time.time()
_STARTED = time.clock_gettime(_FORWARD)


def steady_time() -> float:
    """Now, in epoch seconds."""
    return _STARTED_AT + time.clock_gettime(_FORWARD) - _STARTED

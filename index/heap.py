"""Gives memory that was freed back to the operating system: loading a model or an index leaves 30 to 70 MB of it."""

from __future__ import annotations

import ctypes
from functools import cache


def trim() -> None:
    """Where the C library is glibc; elsewhere nothing happens. Takes some milliseconds, so: after loading, not while
    serving.
    """
    if (give_back := _malloc_trim()) is not None:
        give_back(0)


@cache
def _malloc_trim() -> ctypes._NamedFuncPointer | None:
    try:
        found: ctypes._NamedFuncPointer = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError, TypeError):
        return None
    return found

"""Memory that was freed goes back to the operating system when asked for."""

from __future__ import annotations

import ctypes
import platform

import psutil
import pytest

from index.heap import trim

BLOCKS, SIZE = 50_000, 1024


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc keeps freed memory for itself")
def test_freed_blocks_below_one_that_is_in_use_leave_the_process() -> None:
    libc = ctypes.CDLL(None)
    libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
    blocks = [libc.malloc(SIZE) for _ in range(BLOCKS)]
    for block in blocks:
        ctypes.memset(block, 1, SIZE)
    last = blocks.pop()
    for block in blocks:
        libc.free(block)
    before = psutil.Process().memory_info().rss
    trim()
    assert before - psutil.Process().memory_info().rss > BLOCKS * SIZE / 2
    libc.free(last)

"""Free space. The embedded shard writes through mmap, so a full disk is a SIGBUS, not an exception: ask before."""

from __future__ import annotations

import shutil
from pathlib import Path

from domain.errors import StorageFull

RESERVE = 256 * 2**20
"""Bytes left free whatever happens: the engine grows its files by whole pages of 32 MiB, two or three at a time."""


def require_space(folder: Path, needed: int) -> None:
    """Raises StorageFull unless `needed` bytes and the reserve are free where `folder` lies."""
    free = shutil.disk_usage(folder).free
    if free < needed + RESERVE:
        raise StorageFull(
            f"Only {free // 2**20} MiB are free for the vector index and a write needs "
            f"{(needed + RESERVE) // 2**20} MiB with its reserve; free some space, searching goes on."
        )

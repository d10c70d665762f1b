"""Batches of similar length: what is shorter than the longest of its batch is paid for as if it were as long."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


def by_length(lengths: Sequence[int], size: int) -> Iterator[list[int]]:
    """Row numbers in groups of `size`, the shortest first; equal lengths in the order given.

    >>> list(by_length([9, 1, 5], 2))
    [[1, 2], [0]]
    """
    order = sorted(range(len(lengths)), key=lambda row: (lengths[row], row))
    for start in range(0, len(order), size):
        yield order[start : start + size]

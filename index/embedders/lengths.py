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


def alike(lengths: Sequence[int], size: int, share: float) -> Iterator[list[int]]:
    """Row numbers in groups of at most `size`, the longest first; in a group no length is below `share` of the longest.

    A group is padded to its longest row: a long text takes no short one along.

    >>> list(alike([9, 1, 5, 8], 4, 0.7))
    [[0, 3], [2], [1]]
    """
    group: list[int] = []
    for row in sorted(range(len(lengths)), key=lambda row: (-lengths[row], row)):
        if group and (len(group) == size or lengths[row] < share * lengths[group[0]]):
            yield group
            group = []
        group.append(row)
    if group:
        yield group

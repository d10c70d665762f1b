"""What one full listing of a server's tools brought."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import overload

from domain.tools import ToolDocument


@dataclass(frozen=True, slots=True)
class Listing:
    """All tools of one server, in its order. `warnings` are sentences about entries that were left out.

    A Listing is always complete: what could not be listed to its end is an error, so that a missing tool is a
    removed one. `ttl_ms` is how long the server asks it to be trusted, where the revision has that. Two listings of one
    server with the same `digest` hold the same documents; one without says nothing about that.
    """

    documents: Sequence[ToolDocument]
    warnings: tuple[str, ...] = ()
    ttl_ms: int | None = None
    protocol_version: str | None = None
    mirrored: dict[str, dict[tuple[str, ...], str]] = field(default_factory=dict, repr=False)
    digest: str = ""


class LateDocuments(Sequence[ToolDocument]):
    """Documents that are made when somebody looks at them: nobody does where a server says what it said before."""

    def __init__(self, make: Callable[[], Sequence[ToolDocument]]) -> None:
        self._make = make
        self._made: Sequence[ToolDocument] | None = None

    def __len__(self) -> int:
        return len(self._all())

    def __iter__(self) -> Iterator[ToolDocument]:
        return iter(self._all())

    @overload
    def __getitem__(self, index: int) -> ToolDocument: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[ToolDocument]: ...
    def __getitem__(self, index: int | slice) -> ToolDocument | Sequence[ToolDocument]:
        return self._all()[index]

    def _all(self) -> Sequence[ToolDocument]:
        if self._made is None:
            self._made = self._make()
        return self._made

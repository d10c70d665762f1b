"""The live view of `toolcrib sync`: servers done, what they changed, how fast texts are embedded, when it will end."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from gateway.cli.output import err

_CHANGES = ("added", "changed", "removed", "held")


class SyncView:
    """What is known of a sync under way. `clock` in seconds."""

    def __init__(self, bar: Progress, servers: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._bar = bar
        self._servers = servers
        self._clock = clock
        self._began = clock()
        self._counts: Counter[str] = Counter()
        self._first: int | None = None  # texts embedded when the view began
        self._embedded = 0
        self._failed = 0
        self._task = bar.add_task("Syncing", total=servers, said="")

    @property
    def is_seen(self) -> bool:
        """Whether anybody looks."""
        return not self._bar.disable

    def ended(self, run: Mapping[str, Any]) -> None:
        """One server is done."""
        self._counts.update({kind: run[kind] for kind in (*_CHANGES, "embedded")})
        self._failed += run["error"] is not None
        self._bar.update(self._task, advance=1, said=self._line())

    def embedded(self, total: int) -> None:
        """Texts that the gateway has embedded since it started."""
        self._first = total if self._first is None else self._first
        self._embedded = total - self._first
        self._bar.update(self._task, said=self._line())

    def summary(self) -> str:
        """One line, when all are done."""
        took = self._clock() - self._began
        texts = self._counts["embedded"]
        speed = f" ({texts / took:.0f}/s)" if texts and took else ""
        changes = ", ".join(f"{self._counts[kind]} {kind}" for kind in _CHANGES)
        failed = f", {self._failed} failed" if self._failed else ""
        servers = f"{self._servers} server{'' if self._servers == 1 else 's'}"
        return f"{servers} in {took:.1f} s{failed}: {changes}; {texts} texts embedded{speed}."

    def _line(self) -> str:
        took = self._clock() - self._began
        texts = max(self._embedded, self._counts["embedded"])
        changes = " ".join(f"{self._counts[kind]} {kind}" for kind in _CHANGES if self._counts[kind])
        return f"{changes}  {texts / took if took else 0:.0f} embeddings/s".strip()


@contextmanager
def live_sync(servers: int) -> Iterator[SyncView]:
    """The view on standard error; silent where that is no terminal."""
    bar = Progress(
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
        TextColumn("{task.fields[said]}"), TimeElapsedColumn(), TextColumn("ETA"), TimeRemainingColumn(),
        console=err, transient=True, disable=not err.is_terminal,
    )  # fmt: skip
    with bar:
        yield SyncView(bar, servers)

"""What people see: tables, one-line errors, progress; and the exit codes."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import datetime
from enum import IntEnum

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

_PIPED_WIDTH = 160
_NARROWEST = 20
out = Console(highlight=False, width=None if sys.stdout.isatty() else _PIPED_WIDTH)
err = Console(stderr=True, highlight=False)


class Exit(IntEnum):
    """Exit codes of every command."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    PARTLY = 3


def print_json(value: object) -> None:
    """One document on standard output."""
    json.dump(value, sys.stdout, ensure_ascii=False, indent=2)
    sys.stdout.write("\n")


def table(*columns: str, rows: Sequence[Sequence[object]], right: Sequence[str] = ()) -> Table:
    """A plain table; `right` names the columns of numbers. What the last column has too much is cut, nothing else."""
    cells = [[str(cell) for cell in row] for row in rows]
    others = sum(max(len(line[at]) for line in [list(columns), *cells]) + 2 for at in range(len(columns) - 1))
    room = max(_NARROWEST, out.width - others)
    made = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        made.add_column(Text(column), justify="right" if column in right else "left", no_wrap=True)
    for line in cells:
        made.add_row(
            *(Text(cell) for cell in line[:-1]), Text(line[-1]) if columns[-1] in right else _cut(line[-1], room)
        )
    return made


def _cut(text: str, room: int) -> Text:
    line = " ".join(text.split())
    return Text(line if len(line) <= room else f"{line[: room - 1]}…")


def progress() -> Progress:
    """A progress display on standard error; silent where that is no terminal."""
    return Progress(
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        console=err, transient=True, disable=not err.is_terminal,
    )  # fmt: skip


def first_line(text: str | None, width: int = 90) -> str:
    """The start of a description, cut at a word."""
    line = " ".join((text or "").split())
    return line if len(line) <= width else line[: line.rfind(" ", 0, width)] + " …"


def at(epoch_s: float) -> str:
    """A time as the operator's clock shows it."""
    return datetime.fromtimestamp(epoch_s).astimezone().isoformat(sep=" ", timespec="seconds")

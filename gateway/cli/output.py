"""What people see: tables, one-line errors, progress; and the exit codes."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from enum import IntEnum

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

out = Console(highlight=False)
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
    """A plain table; `right` names the columns of numbers. The last column is cut where the line ends."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        is_last = column == columns[-1] and column not in right
        made.add_column(
            column,
            justify="right" if column in right else "left",
            overflow="ellipsis" if is_last else "fold",
            no_wrap=is_last,
        )
    for row in rows:
        made.add_row(*(str(cell) for cell in row))
    return made


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

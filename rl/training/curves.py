"""What a person sees while a policy is trained: a progress bar, live curves, and TensorBoard files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from torch.utils.tensorboard import SummaryWriter

WIDTH = 48
_BLOCKS = "▁▂▃▄▅▆▇█"


def sparkline(values: list[float], width: int = WIDTH) -> str:
    """Means of as many stretches as fit, from the lowest block to the highest.

    >>> sparkline([0.0, 0.5, 1.0])
    '▁▅█'
    """
    stretch = max(1, -(-len(values) // width))
    means = [sum(part) / len(part) for at in range(0, len(values), stretch) if (part := values[at : at + stretch])]
    low, high = min(means, default=0.0), max(means, default=0.0)
    scale = (len(_BLOCKS) - 1) / (high - low) if high > low else 0.0
    return "".join(_BLOCKS[round((mean - low) * scale)] for mean in means)


class Curves:
    """Called with the numbers of one round after the other. `folder`: where TensorBoard's files go."""

    def __init__(self, folder: Path, of: int, console: Console) -> None:
        self._writer = SummaryWriter(str(folder))
        self._values: dict[str, list[float]] = {}
        self._bar = Progress(
            TextColumn("training"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console
        )
        self._task = self._bar.add_task("training", total=of)
        self._live = Live(self._bar, console=console, refresh_per_second=4, transient=not console.is_terminal)

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.__exit__(kind, error, trace)
        self._writer.close()

    @property
    def last(self) -> dict[str, float]:
        return {name: values[-1] for name, values in self._values.items()}

    def draw(self, number: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._values.setdefault(name, []).append(value)
            self._writer.add_scalar(name, value, number)
        self._bar.update(self._task, completed=number)
        table = Table.grid(padding=(0, 2))
        for name, points in self._values.items():
            table.add_row(name, f"{points[-1]:.3f}", sparkline(points))
        self._live.update(Group(self._bar, table))

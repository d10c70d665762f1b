"""Draws what was trained: SVG files beside the results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from benchmarks.report import RESULTS

mpl.use("svg")
mpl.rcParams["svg.hashsalt"] = "toolcrib"  # the same picture has the same bytes
_NO_DATE = {"Date": None}
_SMOOTH = 20


def draw_curve(folder: Path, name: str, file: str, title: str) -> None:
    """One curve of TensorBoard files, as it is and as a running mean, into `RESULTS/FILE.svg`."""
    events: Any = EventAccumulator(str(folder))
    events.Reload()
    values = [event.value for event in events.Scalars(name)]
    figure, axes = plt.subplots(figsize=(6.4, 3.6))
    axes.plot(values, alpha=0.3, color="C0")
    width = max(1, min(_SMOOTH, len(values) // 3))
    smooth = np.convolve(values, np.ones(width) / width, mode="valid")
    axes.plot(np.arange(width - 1, len(values)), smooth, color="C0")
    axes.set(xlabel="step", ylabel=name, title=title)
    axes.grid(visible=True, alpha=0.3)
    _save(figure, file)


def draw_curves(curves: Mapping[str, Sequence[float]], file: str, axis: tuple[str, str], title: str) -> None:
    """Running means of several runs in one picture. `axis`: labels of both axes."""
    figure, axes = plt.subplots(figsize=(7.2, 4.4))
    for name, values in curves.items():
        width = max(1, min(_SMOOTH, len(values) // 6))
        smooth = np.convolve(values, np.ones(width) / width, mode="valid")
        axes.plot(np.arange(width, len(values) + 1), smooth, label=name)
    axes.set(xlabel=axis[0], ylabel=axis[1], title=title)
    axes.grid(visible=True, alpha=0.3)
    axes.legend(fontsize="small")
    _save(figure, file)


def _save(figure: Figure, file: str) -> None:
    figure.savefig(RESULTS / f"{file}.svg", metadata=_NO_DATE, bbox_inches="tight")
    plt.close(figure)

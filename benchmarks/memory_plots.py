"""Draws what `tool_memory` measured: SVG files beside its result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt

from benchmarks.report import RESULTS
from domain.sessions import MemoryMode

Row = dict[str, Any]

mpl.use("svg")
mpl.rcParams["svg.hashsalt"] = "toolcrib"  # the same picture has the same bytes
_NO_DATE = {"Date": None}
_MARKERS = {"perfect": "o", "never": "s", "badly": "^"}


def draw(results: Mapping[str, Sequence[Row]]) -> None:
    """Overwrite tool_memory_cost.svg (availability over tokens) and tool_memory_rewrites.svg (over cache rewrites)."""
    _scatter(results, "tokens", "tokens of tools in a request", "cost")
    _scatter(results, "cache_rewrites", "cache rewrites in a session", "rewrites")


def _scatter(results: Mapping[str, Sequence[Row]], what: str, label: str, name: str) -> None:
    figure, axes = plt.subplots(1, len(results), figsize=(6.4 * len(results), 4.4), squeeze=False, sharey=True)
    for at, (dataset, rows) in enumerate(results.items()):
        for number, mode in enumerate(MemoryMode):
            for row in rows:
                if row["mode"] == mode:
                    axes[0][at].scatter(
                        row[what], row["availability"], color=f"C{number}", marker=_MARKERS[row["agent"]],
                        label=mode.value if row["agent"] == "never" else None,
                    )  # fmt: skip
        axes[0][at].set(xlabel=label, title=dataset, xscale="symlog")
        axes[0][at].grid(visible=True, alpha=0.3)
    axes[0][0].set_ylabel("availability: circle perfect, square never, triangle badly")
    axes[0][-1].legend()
    figure.savefig(RESULTS / f"tool_memory_{name}.svg", metadata=_NO_DATE, bbox_inches="tight")
    plt.close(figure)

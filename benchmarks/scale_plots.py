"""Draws what `search_scale` measured: SVG files beside its result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt

from benchmarks.report import RESULTS
from benchmarks.scale_settings import GROWN

Row = dict[str, Any]

mpl.use("svg")
mpl.rcParams["svg.hashsalt"] = "toolcrib"  # the same picture has the same bytes
_NO_DATE = {"Date": None}


def draw(engine: Sequence[Row], product: Sequence[Row]) -> None:
    """Overwrite search_scale_latency.svg, _memory.svg and, where the product was measured, _product.svg."""
    _lines(engine, "p50_ms", "one leg, p50, ms", "latency")
    _lines(engine, "memory_mb", "memory of one field, MB", "memory")
    if product:
        _stages(product)


def _lines(engine: Sequence[Row], what: str, label: str, name: str) -> None:
    figure, axes = plt.subplots(figsize=(6.4, 4))
    for setting in sorted(GROWN):
        rows = [row for row in engine if row["setting"] == setting]
        values = [row[what] if what in row else row["searches"][-1][what] for row in rows]
        axes.plot([row["size"] for row in rows], values, marker="o", label=setting)
    axes.set(xscale="log", yscale="log", xlabel="tools", ylabel=label)
    axes.grid(visible=True, alpha=0.3)
    axes.legend()
    figure.savefig(RESULTS / f"search_scale_{name}.svg", metadata=_NO_DATE, bbox_inches="tight")
    plt.close(figure)


def _stages(product: Sequence[Row]) -> None:
    figure, axes = plt.subplots(figsize=(6.4, 4))
    sizes = [row["size"] for row in product]
    for stage in product[0]["stages_ms"]:
        axes.plot(sizes, [row["stages_ms"].get(stage, {}).get("p50") for row in product], marker="o", label=stage)
    axes.set(xscale="log", yscale="log", xlabel="tools", ylabel="p50, ms")
    axes.grid(visible=True, alpha=0.3)
    axes.legend()
    figure.savefig(RESULTS / "search_scale_product.svg", metadata=_NO_DATE, bbox_inches="tight")
    plt.close(figure)

"""Draws what `retrieval` measured: recall against k, one field per set, and latency against the catalogue's size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt

from benchmarks.report import RESULTS

mpl.use("svg")
mpl.rcParams["svg.hashsalt"] = "toolcrib"  # the same picture has the same bytes
_COLUMNS = 4
_STAGES = ("embed", "recall", "rescore", "total")
_LINES = {"hybrid": "-", "others": "--", "dense": ":", "bm25": "-."}


def draw(rows: Mapping[str, Mapping[str, Mapping[str, Any]]], timed: Sequence[Mapping[str, Any]]) -> None:
    """Overwrite retrieval_recall.svg and, where it was timed, retrieval_latency.svg."""
    _recall(rows)
    if timed:
        _latency(timed)


def _latency(timed: Sequence[Mapping[str, Any]]) -> None:
    figure, axes = plt.subplots(figsize=(6.4, 4))
    sizes = [row["size"] for row in timed]
    for stage in _STAGES:
        axes.plot(sizes, [row["stages_ms"][stage]["p50"] for row in timed], marker="o", label=stage)
    axes.set(xscale="log", xlabel="tools", ylabel="p50, ms", ylim=(0, None))
    axes.grid(visible=True, alpha=0.3)
    axes.legend()
    figure.savefig(RESULTS / "retrieval_latency.svg", metadata={"Date": None}, bbox_inches="tight")
    plt.close(figure)


def _recall(rows: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> None:
    height = -(-len(rows) // _COLUMNS)
    figure, fields = plt.subplots(height, _COLUMNS, figsize=(12, 2.8 * height), squeeze=False, sharey=True)
    for axes, (group, of_group) in zip(fields.flat, rows.items(), strict=False):
        for profile, style in _LINES.items():
            if profile in of_group:
                values = of_group[profile]["recall@k"]
                axes.plot(range(1, len(values) + 1), values, style, label=profile)
        axes.set(title=group, xlabel="k", ylim=(0, 1))
        axes.grid(visible=True, alpha=0.3)
    for axes in fields.flat[len(rows) :]:
        axes.set_visible(False)
    fields[0, 0].set_ylabel("recall")
    fields[0, 0].legend()
    figure.tight_layout()
    figure.savefig(RESULTS / "retrieval_recall.svg", metadata={"Date": None}, bbox_inches="tight")
    plt.close(figure)

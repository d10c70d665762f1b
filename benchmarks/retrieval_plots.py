"""Draws what `retrieval` measured: recall against k, one field per set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt

from benchmarks.report import RESULTS

mpl.use("svg")
mpl.rcParams["svg.hashsalt"] = "toolcrib"  # the same picture has the same bytes
_COLUMNS = 4
_LINES = {"hybrid": "-", "others": "--", "dense": ":", "bm25": "-."}


def draw(rows: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> None:
    """Overwrite retrieval_recall.svg."""
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

"""Writes what `retrieval` measured into docs/retrieval.md, between the lines that name each table.

    python -m benchmarks.retrieval_page

From the stored result; `python -m benchmarks.retrieval` does it at its end.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.report import RESULTS

PAGE = Path(__file__).parent.parent / "docs" / "retrieval.md"

STAGES = ("hybrid", "crowded", "plain", "mixed", "whole", "rrf", "dense", "bm25")
"""Profiles of which each leaves out more than the one before it."""

Numbers = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""Group -> row -> numbers."""


def main() -> None:
    write(json.loads((RESULTS / "retrieval.json").read_text()))


def write(result: Mapping[str, Any]) -> None:
    """Replace every table whose part was measured."""
    rows, weighed, asks, timed = (result.get(part) for part in ("results", "fields", "toole", "latency"))
    page = PAGE.read_text()
    tables = {
        "stages": by_profile(rows, STAGES) if rows else "",
        "intervals": intervals(rows) if rows else "",
        "others": others(rows) if rows else "",
        "fields": by_profile(weighed, list(next(iter(weighed.values())))) if weighed else "",
        "toole": of_toole(asks) if asks else "",
        "latency": latency(timed) if timed else "",
    }
    for name, table in tables.items():
        page = _with(page, name, table) if table else page
    PAGE.write_text(page)


def by_profile(rows: Numbers, profiles: Sequence[str]) -> str:
    """Recall@5 / complete@5 per group and profile."""
    head = _head(["set (queries)", *profiles])
    return head + _lines(
        [f"{group} ({_queries(of_group)})", *(_both(of_group[name]) if name in of_group else "" for name in profiles)]
        for group, of_group in rows.items()
    )


def intervals(rows: Numbers) -> str:
    return _head(["set", "Recall@5", "all in the first five"]) + _lines(
        [group, *(_interval(of_group["hybrid"], metric) for metric in ("recall@5", "complete@5"))]
        for group, of_group in rows.items()
    )


def others(rows: Numbers) -> str:
    return _head(["set", "learnt on the others", "dense", "bm25"]) + _lines(
        [group, *(_both(of_group[name]) for name in ("others", "dense", "bm25"))]
        for group, of_group in rows.items()
        if "others" in of_group
    )


def of_toole(asks: Mapping[str, Any]) -> str:
    single, removed = asks["usage"]["subsets"]["single"], asks["remove_gold"]
    return _head(["toole, test", "value"]) + _lines(
        [
            ["asked before (`--usage train`), one tool: Recall@1", f"{single['recall@1']:.3f}"],
            ["the same: Recall@5", f"{single['recall@5']:.3f}"],
            ["gold removed (`--remove-gold`): AUROC", f"{removed['abstention_auroc']:.3f}"],
            ["answerable queries that are refused", f"{removed['refused']:.1%}"],
            ["unanswerable queries that are refused", f"{removed['refused_rightly']:.1%}"],
        ]
    )


def latency(timed: Sequence[Mapping[str, Any]]) -> str:
    stages = ("embed", "recall", "rescore", "total")
    return _head(["tools", *stages, "total, p95"]) + _lines(
        [
            f"{row['size']:,}",
            *(f"{row['stages_ms'][stage]['p50']:.1f}" for stage in stages),
            f"{row['stages_ms']['total']['p95']:.1f}",
        ]
        for row in timed
    )


def _with(page: str, name: str, table: str) -> str:
    begin, end = f"<!-- {name}: python -m benchmarks.retrieval -->", "<!-- end -->"
    between = re.compile(rf"({re.escape(begin)}\n).*?({re.escape(end)})", re.DOTALL)
    return between.sub(lambda found: found[1] + table + found[2], page, count=1)


def _head(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |\n|{'---|' * len(cells)}\n"


def _lines(rows: Iterable[Sequence[str]]) -> str:
    return "".join(f"| {' | '.join(cells)} |\n" for cells in rows)


def _both(numbers: Mapping[str, Any]) -> str:
    return f"{numbers['recall@5']:.3f} / {numbers['complete@5']:.3f}"


def _interval(numbers: Mapping[str, Any], metric: str) -> str:
    low, high = numbers[f"{metric}_95"]
    return f"{numbers[metric]:.3f} ({low:.3f} to {high:.3f})"


def _queries(of_group: Mapping[str, Mapping[str, Any]]) -> int:
    return int(next(iter(of_group.values()))["queries"])


if __name__ == "__main__":
    main()

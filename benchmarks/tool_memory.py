"""Tool memory over sessions of 100 turns: every mode and every scripted agent, on every set of dialogues.

    python -m benchmarks.tool_memory [--sets api-bank tau2-retail-airline finance] [--sessions 10]

Writes the tables of docs/tool-memory.md and the plots beside the result. `cache_aware` is judged twice: with the limits
that every mode has, where small catalogues seldom fill it, and at a limit of 43 tools, where batches leave. `finance`
is generated (benchmarks/finance): 5,000 tools and dialogues of 100 turns, the larger half of which need several tools.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.finance.catalogue import SEED, finance_servers
from benchmarks.finance.dataset import write_dataset
from benchmarks.finance.dialogues import dialogues
from benchmarks.memory_plots import draw
from benchmarks.real_catalogue import DATASETS
from benchmarks.report import Promise, finish
from domain.sessions import MemoryMode, SessionLimits
from gateway.evaluation.memory import MemoryEvaluation, evaluate_memory
from gateway.evaluation.memory_agents import AGENTS
from index.embedders.minilm import MiniLMEmbedder

FINANCE = "finance"
SETS = ("api-bank", "tau2-retail-airline", FINANCE)
PAGE = Path(__file__).parent.parent / "docs" / "tool-memory.md"
PRUNING = (MemoryMode.WORKFLOW, MemoryMode.HYBRID, MemoryMode.LRU)
TIGHT = SessionLimits(43)
"""Room for 40 tools beside the system's."""

_HEADS = ("mode", "agent", "removed", "removed 3T", "residual +3", "<=", "added", "available", "recall", "tokens",
          "billed", "rewrites")  # fmt: skip
_BEGIN, _END = "<!-- {}: python -m benchmarks.tool_memory -->", "<!-- end -->"

Row = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="+", default=list(SETS))
    parser.add_argument("--sessions", type=int, default=10)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="toolcrib-vectors-") as cache:
        results, tight = asyncio.run(_measure(asked.sets, asked.sessions, Path(cache)))
    promises = [promise for name in asked.sets for promise in _promises(name, results[name], tight[name])]
    page = PAGE.read_text(encoding="utf-8")
    for name in asked.sets:
        page = _with(page, name, _table(results[name]))
        page = _with(page, f"{name} at watermarks", _watermarks(tight[name]))
    PAGE.write_text(page, encoding="utf-8")
    draw(results)
    finish("tool_memory", promises, {"results": results, "at_watermarks": tight})


async def _measure(
    sets: Sequence[str], sessions: int, cache: Path
) -> tuple[dict[str, list[Row]], dict[str, list[Row]]]:
    results: dict[str, list[Row]] = {}
    tight: dict[str, list[Row]] = {}
    for name in sets:
        folder = _finance(cache / FINANCE) if name == FINANCE else DATASETS / name
        asked = MemoryEvaluation(folder, modes=tuple(MemoryMode), agents=tuple(AGENTS), sessions=sessions)
        results[name] = await evaluate_memory(asked, MiniLMEmbedder(), cache, _say)
        asked = replace(asked, modes=(MemoryMode.CACHE_AWARE,), limits=TIGHT)
        tight[name] = await evaluate_memory(asked, MiniLMEmbedder(), cache, _say)
    return results, tight


def _finance(folder: Path) -> Path:
    """The market, generated anew."""
    servers = finance_servers()
    write_dataset(folder, servers, dialogues(servers, SEED), SEED)
    return folder


def _say(stage: str, done: int, total: int) -> None:
    print(f"\r{stage}: {done} of {total}", end="", flush=True)


def _promises(name: str, rows: Sequence[Row], tight: Sequence[Row]) -> Iterator[Promise]:
    """The worst agent of each mode, against the issue's bounds."""
    print(f"\r{name}")
    for mode in PRUNING:
        own = [row for row in rows if row["mode"] == mode]
        yield Promise(
            f"{name}_{mode}_avg_removal_ratio_3t", min(r["avg_removal_ratio_3t"] for r in own), 0.9, "", at_most=False
        )
        yield Promise(f"{name}_{mode}_residual_over_bound", max(r["avg_residual_3"] / _bound(r) for r in own), 1.0)
        yield Promise(
            f"{name}_{mode}_availability_less_recall",
            min(r["availability"] - r["complete_recall"] for r in own),
            -0.01,
            at_most=False,
        )
    searching = [row for row in rows if row["mode"] != MemoryMode.PASSTHROUGH]
    cache_aware = {row["agent"]: row for row in rows if row["mode"] == MemoryMode.CACHE_AWARE}
    behind = max(row["availability"] - cache_aware[row["agent"]]["availability"] for row in searching)
    rewrites = max(
        cache_aware[row["agent"]]["cache_rewrites"] / row["cache_rewrites"] for row in rows if row["mode"] in PRUNING
    )
    yield Promise(f"{name}_cache_aware_availability_behind_best", behind, 0.01)
    yield Promise(f"{name}_cache_aware_rewrites_share", rewrites, 0.5)
    cycles = [row["removal_ratio_per_batch"] for row in tight if row["removal_ratio_per_batch"] is not None]
    if cycles:
        yield Promise(f"{name}_cache_aware_removal_per_batch_at_40", min(cycles), 0.9, at_most=False)


def _bound(row: Row) -> float:
    return float(1.2 * row["tools_added"] / row["turns"] + 5)


def _table(rows: Sequence[Row]) -> str:
    lines = [f"| {' | '.join(_HEADS)} |", "|---|---|" + "--:|" * (len(_HEADS) - 2)]
    for row in rows:
        recall = "-" if row["complete_recall"] is None else f"{row['complete_recall']:.3f}"
        numbers = (
            f"{row['removal_ratio']:.3f}", f"{row['avg_removal_ratio_3t']:.3f}", f"{row['avg_residual_3']:.1f}",
            f"{_bound(row):.1f}", f"{row['tools_added']:.0f}", f"{row['availability']:.3f}", recall,
            f"{row['tokens']:,.0f}", f"{row['billed_tokens']:,.0f}", f"{row['cache_rewrites']:.0f}",
        )  # fmt: skip
        lines.append(f"| `{row['mode']}` | {row['agent']} | {' | '.join(numbers)} |")
    return "\n".join(lines)


def _watermarks(rows: Sequence[Row]) -> str:
    lines = [
        "| agent | batches | removed per batch | left after it | added | available | rewrites |",
        "|---|" + "--:|" * 6,
    ]
    for row in rows:
        ratio = "-" if row["removal_ratio_per_batch"] is None else f"{row['removal_ratio_per_batch']:.3f}"
        left = "-" if row["residual_at_batch"] is None else f"{row['residual_at_batch']:.1f}"
        numbers = (f"{row['batches']:.1f}", ratio, left, f"{row['tools_added']:.0f}", f"{row['availability']:.3f}")
        lines.append(f"| {row['agent']} | {' | '.join(numbers)} | {row['cache_rewrites']:.1f} |")
    return "\n".join(lines)


def _with(page: str, name: str, table: str) -> str:
    """The page with this table between its marks, which have to be there."""
    begin = _BEGIN.format(name)
    before, mark, rest = page.partition(begin)
    if not mark:
        return f"{page.rstrip()}\n\n{begin}\n{table}\n{_END}\n"
    return f"{before}{begin}\n{table}\n{_END}{rest.partition(_END)[2]}"


if __name__ == "__main__":
    main()

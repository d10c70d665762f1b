"""What two switchable stages are worth on train and dev splits: server routing and dependency closure, off and on.

    python -m benchmarks.scale_stages

Routing: every set with servers. Closure: sets with recorded sessions; a session's first query is asked and all its
tools are wanted, with what tools need learnt from the other half of the train split. Test splits are not touched.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.prepared_folders import CACHE
from benchmarks.real_catalogue import DATASETS
from benchmarks.report import Promise, finish
from domain.candidates import Ranking
from index.dependencies import ClosedSearch, ToolGraph
from index.embedders.minilm import MiniLMEmbedder
from index.evaluation.dataset import LabelledQuery, LabelledTool, load_dataset
from index.evaluation.file_cache import FileVectorCache
from index.evaluation.metrics import all_metrics, gains
from index.ports import IndexDocument, SearchRequest
from index.routing import ServerText
from index.searcher import Searcher
from index.tool_index import ToolIndex, open_index

ROUTED = (("mcp-catalogue", "train"), ("mcp-catalogue", "dev"), ("seal-tools", "dev"), ("tau2-retail-airline", "train"))
CLOSED = ("tau2-retail-airline", "api-bank", "toolbench")
SHOWN = ("recall@1", "recall@5", "complete@5")
LOSS = -0.002
"""A stage that is on by default may cost no set more Recall@5 than this."""

_TENANT = "evaluation"
Scores = Mapping[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, default=CACHE)
    asked = parser.parse_args()
    rows: dict[str, dict[str, Scores]] = {}
    for name, split in ROUTED:
        rows[f"routing {name} {split}"] = asyncio.run(routing(name, split, asked.cache))
    for name in CLOSED:
        rows[f"closure {name} train"] = asyncio.run(closure(name, asked.cache))
    promises = []
    for row, scores in rows.items():
        off, on = scores["off"], scores["on"]
        print(row, " ".join(f"{metric} {off[metric]:.3f} -> {on[metric]:.3f}" for metric in SHOWN))
        gain = on["recall@5"] - off["recall@5"]
        promises.append(Promise(f"{row.replace(' ', '_')}_gain_recall@5", gain, LOSS, at_most=False))
    finish("scale_stages", promises, {"rows": rows})


async def routing(name: str, split: str, cache: Path) -> dict[str, Scores]:
    """The same queries before and after every server has its document."""
    data = load_dataset(DATASETS / name, split=split)
    with tempfile.TemporaryDirectory(prefix="toolcrib-bench-") as folder:
        index = await _filled(data.tools, Path(folder), cache)
        try:
            off = await _asked(index, data.queries)
            await index.put_servers(_servers(data.tools))
            return {"off": off, "on": await _asked(index, data.queries)}
        finally:
            await index.close()


async def closure(name: str, cache: Path) -> dict[str, Scores]:
    """Each half of the train sessions with what the other half shows."""
    data = load_dataset(DATASETS / name, split="")
    sessions = _sessions(DATASETS / name / "sessions.jsonl")
    halves = sessions[::2], sessions[1::2]
    with tempfile.TemporaryDirectory(prefix="toolcrib-bench-") as folder:
        index = await _filled(data.tools, Path(folder), cache)
        try:
            off: list[Scores] = []
            on: list[Scores] = []
            for asked, seen in (halves, halves[::-1]):
                graph = ToolGraph.of_sessions(query.gold for query in seen)
                off += await _each(index, asked)
                on += await _each(ClosedSearch(index, lambda _tenant, graph=graph: graph), asked)  # type: ignore[misc]
            return {"off": _mean(off), "on": _mean(on)}
        finally:
            await index.close()


async def _filled(tools: Sequence[LabelledTool], folder: Path, cache: Path) -> ToolIndex:
    index = await open_index(MiniLMEmbedder(), cache=FileVectorCache(cache), path=folder)
    await index.upsert(
        [
            IndexDocument(_TENANT, one.tool_id, one.server, one.document.text, one.document.semantic_hash, 1)
            for one in tools
        ]
    )
    return index


def _servers(tools: Sequence[LabelledTool]) -> list[ServerText]:
    names: dict[str, list[str]] = {}
    for tool in tools:
        names.setdefault(tool.server, []).append(tool.document.name)
    return [ServerText(_TENANT, server, server, tuple(of_server)) for server, of_server in names.items() if server]


def _sessions(path: Path) -> list[LabelledQuery]:
    """The train sessions that begin with a query; `gold` is their tools in the order of their calls."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [
        LabelledQuery(row["steps"][0]["query"], tuple(dict.fromkeys(step["tool_id"] for step in row["steps"])), "train")
        for row in rows
        if row["split"] == "train" and row["steps"] and row["steps"][0]["query"]
    ]


async def _asked(searcher: Searcher, queries: Sequence[LabelledQuery]) -> Scores:
    return _mean(await _each(searcher, queries))


async def _each(searcher: Searcher, queries: Sequence[LabelledQuery]) -> list[Scores]:
    scores: list[Scores] = []
    for query in queries:
        [ranking] = await searcher.search(SearchRequest(_TENANT, (query.text,)))
        scores.append(_metrics(ranking, query))
    return scores


def _metrics(ranking: Ranking, query: LabelledQuery) -> Scores:
    found = [one.server if query.is_server_level else one.tool_id for one in ranking.candidates]
    metrics = all_metrics(gains(found, query.gold, query.alternatives), len(query.gold))
    return {name: metrics[name] for name in SHOWN}


def _mean(scores: Sequence[Scores]) -> Scores:
    return {"queries": len(scores)} | {
        name: round(float(np.mean([one[name] for one in scores])), 4) for name in scores[0]
    }


if __name__ == "__main__":
    main()

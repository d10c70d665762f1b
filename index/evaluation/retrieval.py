"""`toolcrib eval retrieval`: a data set through the product's own index, scored.

The keys of the result are those of interfaces.md section 2.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from domain.candidates import Ranking
from domain.errors import InvalidInput
from index.evaluation.dataset import LabelledQuery, LabelledTool, Turns, load_dataset
from index.evaluation.file_cache import FileVectorCache
from index.evaluation.metrics import Gains, all_metrics, gains
from index.ports import Embedder, IndexDocument, SearchRequest
from index.profiles import profile_named
from index.tool_index import ToolIndex, open_index

K = 10
_TENANT = "evaluation"
_BATCH = 256
_WARM_UP = 3

Progress = Callable[[str, int, int], None]
"""Called with a stage's name, how many are done, and how many there are."""


@dataclass(frozen=True, slots=True)
class RetrievalEvaluation:
    """What to measure. `split` takes every split whose name begins so; `limit`: the first queries of those."""

    dataset: Path
    split: str = "test"
    profile: str = "hybrid"
    limit: int | None = None
    turns: str = Turns.THIS

    def __post_init__(self) -> None:
        profile_named(self.profile)
        if self.turns not in set(Turns):
            raise InvalidInput(f"Turns are scored on {' or '.join(Turns)}, not on {self.turns!r}.")
        if self.limit is not None and self.limit < 1:
            raise InvalidInput(f"A limit is at least 1, not {self.limit}.")


async def evaluate_retrieval(
    asked: RetrievalEvaluation, embedder: Embedder, cache: Path, progress: Progress | None = None
) -> dict[str, Any]:
    """Index the tools in a temporary folder, ask every query with k = 10, and score. Closes `embedder`.

    Document vectors are kept in the folder `cache`; query vectors are not, so that latency means what it says.
    """
    report = progress or _silent
    dataset = load_dataset(asked.dataset, split=asked.split, turns=Turns(asked.turns))
    queries = dataset.queries[: asked.limit]
    with tempfile.TemporaryDirectory(prefix="toolcrib-eval-") as folder:
        index = await open_index(embedder, cache=FileVectorCache(cache), path=Path(folder))
        try:
            await _index_tools(index, dataset.tools, report)
            found, latencies = await _ask(index, queries, asked.profile, report)
        finally:
            await index.close()
    return {
        "dataset": dataset.name,
        "split": asked.split,
        "profile": asked.profile,
        "tools": len(dataset.tools),
        **_scores(queries, found),
        "latency_ms": _percentiles(latencies),
        "subsets": _subsets(queries, found),
        "versions": {"index": index.version, "embedder": embedder.version},
    }


async def _index_tools(index: ToolIndex, tools: Sequence[LabelledTool], report: Progress) -> None:
    documents = [
        IndexDocument(_TENANT, tool.tool_id, tool.server, tool.document.text, tool.document.semantic_hash, 1)
        for tool in tools
    ]
    for start in range(0, len(documents), _BATCH):
        await index.upsert(documents[start : start + _BATCH])
        report("Indexing tools", min(start + _BATCH, len(documents)), len(documents))
    await index.advance(1)


async def _ask(
    index: ToolIndex, queries: Sequence[LabelledQuery], profile: str, report: Progress
) -> tuple[list[Gains], list[float]]:
    """Gains per query, and milliseconds per query, embedding included, after a warm-up."""
    found: list[Gains] = []
    latencies: list[float] = []
    for number in range(-_WARM_UP, 0):
        await index.search(SearchRequest(_TENANT, (f"warm up {number}",), K, profile))
    for done, query in enumerate(queries, start=1):
        started = time.perf_counter()
        [ranking] = await index.search(SearchRequest(_TENANT, (query.text,), K, profile))
        latencies.append((time.perf_counter() - started) * 1e3)
        found.append(_gains(ranking, query))
        report("Asking", done, len(queries))
    return found, latencies


def _gains(ranking: Ranking, query: LabelledQuery) -> Gains:
    if query.is_server_level:
        return gains([candidate.server for candidate in ranking.candidates], query.gold)
    return gains([candidate.tool_id for candidate in ranking.candidates], query.gold, query.alternatives)


def _scores(queries: Sequence[LabelledQuery], found: Sequence[Gains]) -> dict[str, Any]:
    """Number of queries, and the mean of each metric over them."""
    rows = [all_metrics(hits, len(query.gold)) for query, hits in zip(queries, found, strict=True)]
    return {"queries": len(rows), **{name: float(np.mean([row[name] for row in rows])) for name in rows[0]}}


def _subsets(queries: Sequence[LabelledQuery], found: Sequence[Gains]) -> Mapping[str, dict[str, Any]]:
    """The same scores per subset; where a split has several parts, per part too."""
    groups: dict[str, list[int]] = {}
    for number, query in enumerate(queries):
        for name in {query.subset, query.split} - {None}:
            groups.setdefault(str(name), []).append(number)
    return {
        name: _scores([queries[n] for n in numbers], [found[n] for n in numbers])
        for name, numbers in sorted(groups.items())
        if len(numbers) < len(queries)
    }


def _percentiles(latencies: Sequence[float]) -> dict[str, float]:
    return {f"p{rank}": round(float(np.percentile(latencies, rank)), 3) for rank in (50, 95, 99)}


def _silent(stage: str, done: int, total: int) -> None:
    """Nobody is watching."""

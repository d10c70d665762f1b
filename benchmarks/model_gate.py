"""Whether the configured models may stay on: search with them against search without, on dev and train splits.

    TOOLCRIB_RERANK_URL=http://127.0.0.1:8080 python -m benchmarks.model_gate [--profile toolshed] [--limit N]

A model passes when it costs no set more than .01 Recall@5 or two queries, whichever is larger, and answered every
query: where it did not, plain search answered in its place, and nothing was measured.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from contextlib import aclosing
from pathlib import Path
from typing import Any

from benchmarks.real_catalogue import DATASETS
from benchmarks.report import Promise, finish
from domain.candidates import Ranking
from gateway.models import Embedders, Models, open_models
from gateway.settings import Settings
from index.evaluation.retrieval import RetrievalEvaluation, evaluate_retrieval
from index.model_ports import ToolTexts
from index.ports import SearchRequest
from index.searcher import Searcher

SETS = {
    "toole": "dev",
    "seal-tools": "dev",
    "mcp-catalogue": "dev",
    "api-bank": "train",
    "tau2-retail-airline": "train",
}
METRIC = "recall@5"
LOSS = 0.01
QUERIES = 2


class Counting:
    """A searcher that counts the answers in which a stage was left out."""

    def __init__(self, inner: Searcher) -> None:
        self._inner = inner
        self.degraded = 0

    async def search(self, request: SearchRequest) -> list[Ranking]:
        rankings = await self._inner.search(request)
        self.degraded += sum(1 for ranking in rankings if ranking.degraded)
        return rankings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", default="hybrid", help="toolshed asks the language model, others the reranker")
    parser.add_argument("--limit", type=int, default=300, help="queries of each set")
    parser.add_argument("--keep", action="store_true", help="keep the result under benchmarks/results/")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="toolcrib-vectors-") as vectors:
        results = asyncio.run(measure(asked.profile, asked.limit, Path(vectors)))
    finish("model_gate", [promise for one in results.values() for promise in promises(one)], results, keep=asked.keep)


async def measure(profile: str, limit: int, vectors: Path) -> dict[str, dict[str, Any]]:
    """Set -> what it gains. Prints one row of a Markdown table for each."""
    settings = Settings()
    results: dict[str, dict[str, Any]] = {}
    async with aclosing(await open_models(settings)) as models:
        if models.reranker is None and models.chat is None:
            sys.exit("No model is configured; set TOOLCRIB_RERANK_URL, TOOLCRIB_RERANKER or TOOLCRIB_LLM_URL.")
        print(f"| set | split | queries | {METRIC} without | with | p50 ms without | with | left out |")
        print("|---|---|---|---|---|---|---|---|")
        for name, split in SETS.items():
            one = await compare(models, RetrievalEvaluation(DATASETS / name, split, profile, limit), vectors)
            results[name] = one = {"set": name, "split": split, **one}
            print(f"| {' | '.join(str(value) for value in one.values())} |", flush=True)
    return results


async def compare(models: Models, asked: RetrievalEvaluation, vectors: Path) -> dict[str, Any]:
    counted: list[Counting] = []

    def stages(index: Searcher, texts: ToolTexts) -> Searcher:
        counted.append(Counting(models.searcher(index, texts)))
        return counted[-1]

    plain = RetrievalEvaluation(asked.dataset, asked.split, "hybrid", asked.limit)
    embedders = Embedders(Settings())
    without = await evaluate_retrieval(plain, await embedders(Settings().embedder), vectors)
    with_models = await evaluate_retrieval(asked, await embedders(Settings().embedder), vectors, stages=stages)
    return {
        "queries": without["queries"],
        "without": round(without[METRIC], 4),
        "with": round(with_models[METRIC], 4),
        "p50_without": without["latency_ms"]["p50"],
        "p50_with": with_models["latency_ms"]["p50"],
        "left_out": counted[0].degraded,
    }


def promises(one: dict[str, Any]) -> list[Promise]:
    floor = one["without"] - max(LOSS, QUERIES / one["queries"])
    return [
        Promise(f"{one['set']}_{METRIC}", one["with"], round(floor, 4), at_most=False),
        Promise(f"{one['set']}_left_out", one["left_out"], 0),
    ]


if __name__ == "__main__":
    main()

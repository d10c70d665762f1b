"""Every data set through the product's own index, per profile: the numbers of the README.

    python -m benchmarks.retrieval [--profiles hybrid dense bm25] [--limit N]

What `toolcrib eval retrieval --dataset DIR --profile NAME` prints, for all sets at once.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.real_catalogue import DATASETS
from benchmarks.report import Promise, finish
from index.embedders.minilm import MiniLMEmbedder
from index.evaluation.retrieval import RetrievalEvaluation, evaluate_retrieval

SETS = ("toole", "seal-tools", "toolbench", "mcp-catalogue", "api-bank", "tau2-retail-airline")
SHOWN = ("recall@1", "recall@5", "recall@10", "complete@5")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profiles", nargs="+", default=["hybrid", "dense", "bm25"])
    parser.add_argument("--limit", type=int, default=None)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="toolcrib-vectors-") as vectors:
        results = asyncio.run(measure(asked.profiles, asked.limit, Path(vectors)))
    promises = []
    if {"dense", "bm25"} <= set(asked.profiles):
        toole = results["toole"]["dense"]["subsets"]["single"]["recall@5"]
        seal = results["seal-tools"]["bm25"]["recall@5"]
        promises.append(Promise("toole_single_dense_recall@5", toole, 0.78, at_most=False))
        promises.append(Promise("seal_tools_bm25_recall@5", seal, 0.83, at_most=False))
    finish("retrieval", promises, {"results": results})


async def measure(profiles: list[str], limit: int | None, vectors: Path) -> dict[str, dict[str, dict[str, Any]]]:
    """Set -> profile -> what the command prints. Prints one row of a Markdown table for each."""
    print(f"| set (test) | profile | {' | '.join(SHOWN)} | p50 ms |")
    print("|" + "---|" * (len(SHOWN) + 3))
    results: dict[str, dict[str, dict[str, Any]]] = {}
    for name in SETS:
        for profile in profiles:
            evaluation = RetrievalEvaluation(DATASETS / name, profile=profile, limit=limit)
            result = await evaluate_retrieval(evaluation, MiniLMEmbedder(), vectors)
            results.setdefault(name, {})[profile] = result
            shown = " | ".join(f"{result[key]:.3f}" for key in SHOWN)
            print(f"| {name} | {profile} | {shown} | {result['latency_ms']['p50']:.1f} |", flush=True)
    return results


if __name__ == "__main__":
    main()

"""Learns what earlier questions are worth beside a tool's document: the weights of index/questions/evidence.py.

    python -m benchmarks.learn_usage [--vectors DIR]

toole's dev queries are asked through the product while all, half, and a tenth of the tools have been asked the train
split's queries before: a softmax over each query's candidates, regimes alike. Prints the shipped weights and those that
were fitted, with Recall@1 and Recall@5 of both, two-fold cross-validated. No test split is read; nothing is written.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from unittest.mock import patch

import numpy as np
import numpy.typing as npt

from benchmarks.adapter_fitting import fold_of
from benchmarks.real_catalogue import DATASETS
from domain.questions import Question, QuestionSource
from index.embedders.minilm import MiniLMEmbedder
from index.evaluation.dataset import Dataset, LabelledQuery, load_dataset
from index.evaluation.file_cache import FileVectorCache
from index.fusion import Scores
from index.ports import IndexDocument, SearchRequest
from index.questions import stage
from index.questions.evidence import Blend, Evidence, Weights, blend, inputs
from index.questions.redaction import learnable
from index.tool_index import open_index

Array = npt.NDArray[np.float64]

REGIMES = (1.0, 0.5, 0.1)
NAMES = tuple(one.name for one in fields(Weights))
STEPS, RATE, PULL = 600, 0.1, 1e-4
_TENANT = "learning"
_SEED = 7


@dataclass(frozen=True)
class Look:
    """One query's candidates: what each weight is multiplied by, shape (candidates, weights), and which is right."""

    rows: Array
    right: int  # -1 where it was not found
    fold: int
    regime: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vectors", type=Path, default=Path(".demo/vectors"))
    parser.add_argument("--queries", type=int, default=2000, help="most of them")
    asked = parser.parse_args()
    looks = asyncio.run(_looks(asked.vectors, asked.queries))
    shipped = np.array([getattr(Weights(), name) for name in NAMES])
    halves = [fitted([one for one in looks if one.fold != fold]) for fold in (0, 1)]
    for regime in REGIMES:
        own = [one for one in looks if one.regime == regime]
        print(regime, "shipped", recalls(own, [shipped, shipped]), "fitted", recalls(own, halves))
    print(dict(zip(NAMES, fitted(looks).round(2).tolist(), strict=True)))
    print("before", asdict(Weights()))


def fitted(looks: Sequence[Look]) -> Array:
    """Adam on the mean of -log(share of the right one)."""
    taught = [one for one in looks if one.right >= 0]
    rows = np.concatenate([one.rows for one in taught])
    sizes = np.array([len(one.rows) for one in taught])
    starts = np.cumsum(sizes) - sizes
    right = starts + np.array([one.right for one in taught])
    scale = rows.std(axis=0) + 1e-6
    rows = rows / scale
    weights, mean, spread = np.zeros(rows.shape[1]), np.zeros(rows.shape[1]), np.zeros(rows.shape[1])
    for step in range(1, STEPS + 1):
        logits = rows @ weights
        shares = np.exp(logits - np.repeat(np.maximum.reduceat(logits, starts), sizes))
        shares /= np.repeat(np.add.reduceat(shares, starts), sizes)
        shares[right] -= 1
        slope = rows.T @ shares / len(taught) + PULL * weights
        mean, spread = 0.9 * mean + 0.1 * slope, 0.99 * spread + 0.01 * slope**2
        pace = RATE * (1 - 0.9 * step / STEPS)
        weights = weights - pace * (mean / (1 - 0.9**step)) / (np.sqrt(spread / (1 - 0.99**step)) + 1e-8)
    return np.asarray(weights / scale)


def recalls(looks: Sequence[Look], by_fold: Sequence[Array]) -> tuple[float, float]:
    """Recall@1 and Recall@5, each query by the weights of its fold."""
    ranks = []
    for one in looks:
        scores = one.rows @ by_fold[one.fold]
        ranks.append(int((scores > scores[one.right]).sum()) if one.right >= 0 else len(scores))
    return round(float(np.mean([rank < 1 for rank in ranks])), 4), round(
        float(np.mean([rank < 5 for rank in ranks])), 4
    )


async def _looks(vectors: Path, limit: int) -> list[Look]:
    data = load_dataset(DATASETS / "toole", split="")
    asked = [query for query in data.queries if query.split == "dev" and len(query.gold) == 1][:limit]
    cache, found = FileVectorCache(vectors), list[Look]()
    for regime in REGIMES:
        with tempfile.TemporaryDirectory() as folder:
            index = await open_index(MiniLMEmbedder(), cache=cache, path=Path(folder))
            await index.upsert(_documents(data, regime))
            recorder = Recorder()
            with patch.object(stage, "blend", recorder):
                for query in asked:
                    await index.search(SearchRequest(_TENANT, (query.text,), 10))
                    found += recorder.take(query, regime)
                    print(f"\r{len(found)}", end="", file=sys.stderr)
            await index.close()
    return found


class Recorder:
    """Stands where scores are blended, and remembers what is blended."""

    def __init__(self) -> None:
        self._shown: list[tuple[list[str], Array]] = []

    def __call__(
        self,
        document: Scores,
        found: Sequence[Evidence],
        unasked: Sequence[str],
        weights: Weights,
        by_clause: Sequence[Scores],
        coverage: float,
    ) -> Blend:
        by_tool: Mapping[str, Mapping[str, float]] = inputs(document, found[0], unasked)  # of the whole query
        rows = np.array([[of_tool.get(name, 0.0) for name in NAMES] for of_tool in by_tool.values()])
        self._shown.append((list(by_tool), rows))
        return blend(document, found, unasked, weights, by_clause, coverage)

    def take(self, query: LabelledQuery, regime: float) -> list[Look]:
        shown, self._shown = self._shown, []
        [gold] = query.gold
        return [
            Look(rows, tools.index(gold) if gold in tools else -1, fold_of(query.text), regime) for tools, rows in shown
        ]


def _documents(data: Dataset, regime: float) -> list[IndexDocument]:
    chance = random.Random(_SEED)
    questions: dict[str, dict[str, Question]] = {}
    for query in data.queries:
        text = learnable(query.text) if query.split == "train" else None
        for tool_id in query.gold if text is not None else ():
            questions.setdefault(tool_id, {})[str(text)] = Question(str(text), QuestionSource.USAGE, 1.0, time.time())
    return [
        IndexDocument(
            _TENANT,
            tool.tool_id,
            tool.server,
            tool.document.text,
            tool.document.semantic_hash,
            1,
            questions=tuple(questions.get(tool.tool_id, {}).values()) if chance.random() < regime else (),
        )
        for tool in data.tools
    ]


if __name__ == "__main__":
    main()

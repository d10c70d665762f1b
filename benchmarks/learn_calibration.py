"""Learns what `index/calibration.py` ships: the two judges of whether anything fits.

    python -m benchmarks.learn_calibration [--vectors DIR] [--queries 2000]

They are fitted on train and dev splits (JUDGE_SPLITS), each query asked through the product with and without its gold
tools, by an adapter that was trained without it and the mix that ships; sets count alike, toole three times. Each
threshold refuses at most 4 % of the answerable queries of every one of these sets. No test split is read.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.adapter_fitting import fold_of, folds, pairs
from benchmarks.real_catalogue import DATASETS
from domain.questions import Question, QuestionSource
from index.calibration import FEATURES, USAGE_FEATURES, Calibration, Logistic
from index.embedders.minilm import MiniLMEmbedder
from index.evaluation.abstention import auroc, by_gold
from index.evaluation.dataset import Dataset, LabelledQuery, load_dataset
from index.evaluation.file_cache import FileVectorCache
from index.ports import IndexDocument, SearchRequest
from index.questions.redaction import learnable
from index.ranking.learnt import FILES, Learnt, shipped
from index.tool_index import open_index

Floats = npt.NDArray[np.float64]

TENANT = "learning"
JUDGE_SPLITS = {
    "toole": ("dev",),
    "seal-tools": ("dev",),
    "api-bank": ("train", "dev"),
    "tau2-retail-airline": ("train",),
    "mcp-catalogue": ("dev",),
}
JUDGE_SHARE = {"toole": 3.0}
REFUSED = 0.04
BATCH = 256
SEED = 7


@dataclass(frozen=True)
class Looks:
    """Features of queries with and without their gold tools, as rows of `judge`'s features."""

    rows: Floats
    fits: npt.NDArray[np.bool_]
    share: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vectors", type=Path, default=Path(".demo/vectors"))
    parser.add_argument("--queries", type=int, default=2000, help="most queries of one set")
    asked = parser.parse_args()
    halves = [replace(shipped(), adapter=adapter) for adapter in folds(pairs(asked.vectors))]
    asyncio.run(_learn(FileVectorCache(asked.vectors), asked.queries, halves))


async def _learn(cache: FileVectorCache, limit: int, halves: Sequence[Learnt]) -> None:
    sets = {name: load_dataset(DATASETS / name, split="") for name in JUDGE_SPLITS}
    documents, usage = {}, {}
    for name, splits in JUDGE_SPLITS.items():
        asked = [query for query in sets[name].queries if query.split in splits]
        random.Random(SEED).shuffle(asked)
        documents[name] = await _looks(sets[name], asked[:limit], halves, cache, JUDGE_SHARE.get(name, 1.0))
        print(f"{name}: {len(documents[name].fits)} looks", file=sys.stderr)
    toole = sets["toole"]
    asked = [query for query in toole.queries if query.split == "dev"][:limit]
    for name, share in (("toole, asked", 1.0), ("toole, half asked", 0.5)):
        usage[name] = await _looks(toole, asked, halves, cache, 1.0, usage=share)
        print(f"{name}: {len(usage[name].fits)} looks", file=sys.stderr)
    document: dict[str, Any] = {
        "made_by": "python -m benchmarks.learn_calibration",
        "seed": SEED,
        "embedder": shipped().embedder,
        "documents": _judge(documents, FEATURES),
        "usage": _judge(usage, (*FEATURES, *USAGE_FEATURES)),
    }
    (FILES / "calibration.json").write_text(json.dumps(document, indent=1) + "\n")
    for judge in ("documents", "usage"):
        print(judge, json.dumps(document[judge]["on"]))


async def _looks(
    dataset: Dataset,
    queries: Sequence[LabelledQuery],
    halves: Sequence[Learnt],
    cache: FileVectorCache,
    share: float,
    *,
    usage: float = 0.0,
) -> Looks:
    """`usage`: the share of tools that were asked the train split's queries before."""
    documents = {document.tool_id: document for document in _documents(dataset, usage)}
    names = (*FEATURES, *USAGE_FEATURES) if usage else FEATURES
    rows: list[list[float]] = []
    fits: list[bool] = []
    with tempfile.TemporaryDirectory() as folder:
        index = await open_index(MiniLMEmbedder(), cache=cache, path=Path(folder))
        recorder = Recorder()
        index.judge_with(Calibration(shipped().embedder, recorder, recorder))
        everything = list(documents.values())
        for start in range(0, len(everything), BATCH):
            await index.upsert(everything[start : start + BATCH])
        for gold, of_gold in by_gold(queries, documents).items():
            if len(gold) == len(documents):
                continue
            for there in (True, False):
                if not there:
                    await index.delete(TENANT, gold)
                for query in of_gold:
                    index.rank_with(halves[fold_of(query.text)])
                    await index.search(SearchRequest(TENANT, (query.text,), 10, judge=True))
                rows += [[values[name] for name in names] for values in recorder.shown]
                fits += [there] * len(recorder.shown)
                recorder.shown.clear()
            await index.upsert([documents[tool_id] for tool_id in gold])
        await index.close()
    return Looks(np.array(rows), np.array(fits), share)


class Recorder(Logistic):
    """Judges nothing, and remembers what it was shown."""

    def __init__(self) -> None:
        super().__init__((), np.zeros(0), 0.0, 0.0)
        self.shown: list[dict[str, float]] = []

    def probability(self, values: Mapping[str, float]) -> float:
        self.shown.append(dict(values))
        return 1.0


def _documents(dataset: Dataset, usage: float) -> list[IndexDocument]:
    chance = random.Random(SEED)
    questions: dict[str, dict[str, Question]] = {}
    for query in dataset.queries if usage else ():
        text = learnable(query.text) if query.split == "train" else None
        for tool_id in query.gold if text is not None else ():
            questions.setdefault(tool_id, {})[str(text)] = Question(str(text), QuestionSource.USAGE, 1.0, time.time())
    asked = {tool.tool_id for tool in dataset.tools if chance.random() < usage}
    return [
        IndexDocument(
            TENANT,
            tool.tool_id,
            tool.server,
            tool.document.text,
            tool.document.semantic_hash,
            1,
            questions=tuple(questions.get(tool.tool_id, {}).values()) if tool.tool_id in asked else (),
        )
        for tool in dataset.tools
    ]


def _judge(looks: Mapping[str, Looks], names: Sequence[str]) -> dict[str, Any]:
    """Weights of the raw features, the threshold, and how it does on each set it was made from."""
    rows = np.concatenate([one.rows for one in looks.values()])
    fits = np.concatenate([one.fits for one in looks.values()])
    share = np.concatenate([np.full(len(one.fits), one.share / len(one.fits)) for one in looks.values()])
    mean, spread = rows.mean(axis=0), rows.std(axis=0) + 1e-9
    weights = _fitted((rows - mean) / spread, fits, share / share.sum())
    plain = weights[:-1] / spread
    bias = float(weights[-1] - plain @ mean)
    scores = {name: 1 / (1 + np.exp(-(one.rows @ plain + bias))) for name, one in looks.items()}
    threshold = min(float(np.quantile(scores[name][one.fits], REFUSED)) for name, one in looks.items())
    on = {
        name: {
            "auroc": round(auroc(scores[name][one.fits], scores[name][~one.fits]), 4),
            "refused": round(float((scores[name][one.fits] < threshold).mean()), 4),
            "refused_rightly": round(float((scores[name][~one.fits] < threshold).mean()), 4),
            "looks": len(one.fits),
        }
        for name, one in looks.items()
    }
    return {
        "weights": {name: round(float(weight), 5) for name, weight in zip(names, plain, strict=True)},
        "bias": round(bias, 5),
        "threshold": round(threshold, 5),
        "on": on,
    }


def _fitted(rows: Floats, fits: npt.NDArray[np.bool_], share: Floats, ridge: float = 1e-4) -> Floats:
    """Newton's method; the last weight is the bias."""
    inputs = np.column_stack([rows, np.ones(len(rows))])
    weights = np.zeros(inputs.shape[1])
    penalty = ridge * np.eye(len(weights))
    for _ in range(30):
        odds = 1 / (1 + np.exp(-inputs @ weights))
        slope = inputs.T @ ((odds - fits) * share) + penalty @ weights
        bend = (inputs * (share * odds * (1 - odds))[:, None]).T @ inputs + penalty
        weights -= np.linalg.solve(bend, slope)
    return np.asarray(weights)


if __name__ == "__main__":
    main()

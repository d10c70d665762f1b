"""Learns what `index/calibration.py` ships: the query map, and the two judges of whether anything fits.

    python -m benchmarks.learn_calibration [--queries 2000]

The map is trained on the train splits of toole and mcp-catalogue: softmax over each set's tools of 12 q (I + D) d,
weight decay on D. The judges are fitted on queries that the map has not seen (toole dev, seal-tools dev, api-bank train
and dev, tau2 train, mcp-catalogue dev), each asked through the product with and without its gold tools; sets count
alike, toole three times. Each threshold refuses at most 4 % of the answerable queries of every one of
these sets. No test split is read.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
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

from domain.questions import Question, QuestionSource
from index import calibration
from index.calibration import FEATURES, USAGE_FEATURES, Calibration, Logistic
from index.embedders.caching import CachingEmbedder
from index.embedders.minilm import MiniLMEmbedder
from index.evaluation.abstention import auroc, by_gold
from index.evaluation.dataset import Dataset, LabelledQuery, load_dataset
from index.evaluation.file_cache import FileVectorCache
from index.ports import Embedder, IndexDocument, Matrix, SearchRequest
from index.questions.redaction import learnable
from index.tool_index import open_index

Floats = npt.NDArray[np.float64]

TENANT = "learning"
MAP_SPLITS = {"toole": "train", "mcp-catalogue": "train"}
MAP_SHARE = {"toole": 6.0, "mcp-catalogue": 0.5}
JUDGE_SPLITS = {
    "toole": ("dev",),
    "seal-tools": ("dev",),
    "api-bank": ("train", "dev"),
    "tau2-retail-airline": ("train",),
    "mcp-catalogue": ("dev",),
}
JUDGE_SHARE = {"toole": 3.0}
REFUSED = 0.04
STEPS, BATCH, RATE, DECAY, SHARPNESS = 700, 256, 1e-3, 1e-2, 12.0
SEED = 7


@dataclass(frozen=True)
class Looks:
    """Features of queries with and without their gold tools, as rows of `judge`'s features."""

    rows: Floats
    fits: npt.NDArray[np.bool_]
    share: float


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--queries", type=int, default=2000, help="most queries of one set")
    limit = options.parse_args().queries
    data = Path(os.environ["TOOLCRIB_DATASETS"])
    cache = FileVectorCache(Path(os.environ.get("TOOLCRIB_DATA", "~/.toolcrib")).expanduser() / "eval-cache")
    asyncio.run(_learn(data, cache, limit))


async def _learn(data: Path, cache: FileVectorCache, limit: int) -> None:
    embedder = MiniLMEmbedder()
    sets = {name: load_dataset(data / name, split="") for name in JUDGE_SPLITS}
    shift = await _train_map({name: sets[name] for name in MAP_SPLITS}, embedder, cache)
    print(f"map: {np.abs(shift).mean():.4f} mean change", file=sys.stderr)
    blank = Logistic((), np.zeros(0), 0.0, 0.0)
    made = Calibration(embedder.version, shift, blank, blank)
    documents, usage = {}, {}
    for name, splits in JUDGE_SPLITS.items():
        asked = [query for query in sets[name].queries if query.split in splits]
        random.Random(SEED).shuffle(asked)
        documents[name] = await _looks(sets[name], asked[:limit], made, cache, JUDGE_SHARE.get(name, 1.0))
        print(f"{name}: {len(documents[name].fits)} looks", file=sys.stderr)
    toole = sets["toole"]
    asked = [query for query in toole.queries if query.split == "dev"][:limit]
    for name, share in (("toole, asked", 1.0), ("toole, half asked", 0.5)):
        usage[name] = await _looks(toole, asked, made, cache, 1.0, usage=share)
        print(f"{name}: {len(usage[name].fits)} looks", file=sys.stderr)
    await embedder.close()
    document: dict[str, Any] = {
        "made_by": "python -m benchmarks.learn_calibration",
        "made_at": time.strftime("%Y-%m-%d"),
        "seed": SEED,
        "embedder": embedder.version,
        "documents": _judge(documents, FEATURES),
        "usage": _judge(usage, (*FEATURES, *USAGE_FEATURES)),
    }
    folder = Path(calibration.__file__).parent / "learnt"
    np.save(folder / "query_map.npy", shift.astype(np.float16))
    (folder / "calibration.json").write_text(json.dumps(document, indent=1) + "\n")
    for judge in ("documents", "usage"):
        print(judge, json.dumps(document[judge]["on"]))


async def _train_map(sets: Mapping[str, Dataset], embedder: Embedder, cache: FileVectorCache) -> Matrix:
    """Adam on the mean of the sets' softmax losses."""
    chance = np.random.default_rng(SEED)
    vectors, parts = CachingEmbedder(embedder, cache), []
    for name, dataset in sets.items():
        queries = [query for query in dataset.queries if query.split == MAP_SPLITS[name]]
        asked, _ = await vectors.embed([query.text for query in queries])
        tools, _ = await vectors.embed([tool.document.text.concat for tool in dataset.tools])
        parts.append((asked, tools, _targets(queries, dataset), MAP_SHARE[name]))
    shift = np.zeros((embedder.dimension, embedder.dimension), np.float32)
    first, second = np.zeros_like(shift), np.zeros_like(shift)
    for step in range(1, STEPS + 1):
        slope = DECAY * shift
        for asked, tools, wanted, share in parts:
            rows = chance.choice(len(asked), min(BATCH, len(asked)), replace=False)
            slope = slope + share / len(parts) * _slope(asked[rows], tools, [wanted[row] for row in rows], shift)
        first, second = 0.9 * first + 0.1 * slope, 0.999 * second + 0.001 * slope**2
        stride = RATE * (1 - 0.9 * step / STEPS)
        shift = shift - stride * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
    return np.asarray(shift, dtype=np.float32)


def _slope(asked: Matrix, tools: Matrix, wanted: Sequence[npt.NDArray[np.int64]], shift: Matrix) -> Matrix:
    scores = SHARPNESS * ((asked + asked @ shift) @ tools.T)
    shares = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    goal = np.zeros_like(shares)
    for row, columns in enumerate(wanted):
        # Where several tools would do, the one that is nearest already is wanted most.
        goal[row, columns] = shares[row, columns] / shares[row, columns].sum()
    return np.asarray(SHARPNESS * asked.T @ (shares - goal) @ tools / len(asked), dtype=np.float32)


def _targets(queries: Sequence[LabelledQuery], dataset: Dataset) -> list[npt.NDArray[np.int64]]:
    column = {tool.tool_id: at for at, tool in enumerate(dataset.tools)}
    servers: dict[str, list[int]] = {}
    for at, tool in enumerate(dataset.tools):
        servers.setdefault(tool.server, []).append(at)
    return [
        np.array([at for one in query.gold for at in (servers[one] if query.is_server_level else [column[one]])])
        for query in queries
    ]


async def _looks(
    dataset: Dataset,
    queries: Sequence[LabelledQuery],
    made: Calibration,
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
        index.judge_with(replace(made, documents=recorder, usage=recorder))
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

"""`toolcrib eval need`: does a request need a tool at all? The keys of the result are those of interfaces.md section 2.

Learnt on the train and dev rows of need.jsonl and on the train queries of the folder, all of which needed a tool; asked
of the test rows. The interval is over folds of train and dev.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from domain.errors import InvalidInput
from gateway.evaluation.texts import Progress, TextVectors
from index.evaluation.dataset import read_rows, read_tools, required_text
from index.ports import Embedder
from policy_client.need import MOST_REQUESTS, Floats, NeedModel, features

LEARNT_ON = ("train", "dev")
FOLDS = 5
REPEATS = 4
THRESHOLD = 0.5

Labels = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Labelled:
    """One row of need.jsonl."""

    text: str
    needed: bool
    split: str


@dataclass(frozen=True, slots=True)
class Predicted:
    """Of the asked rows: the model's probability, the truth, and the cosine of the nearest tool's document. Of the
    learnt ones: their features and truth.
    """

    guessed: Floats
    truth: Labels
    retrieval: Floats
    rows: Floats
    labels: Labels


async def evaluate_need(
    dataset: Path, embedder: Embedder, cache: Path, progress: Progress, *, split: str = "test"
) -> dict[str, Any]:
    """Closes `embedder`. Raises InvalidInput."""
    predicted = await predict_need(dataset, embedder, cache, progress, split=split)
    return {
        "dataset": dataset.name,
        "split": split,
        "learnt_on": len(predicted.labels),
        "queries": len(predicted.truth),
        **_scores(predicted.guessed, predicted.truth),
        "folds": _over_folds(predicted.rows, predicted.labels),
        "retrieval_alone": {"auroc": auroc(predicted.retrieval, predicted.truth)},
    }


async def predict_need(dataset: Path, embedder: Embedder, cache: Path, progress: Progress, *, split: str) -> Predicted:
    """Closes `embedder`. Raises InvalidInput."""
    rows = list(read_rows(dataset / "need.jsonl", _labelled))
    learnt = [row for row in rows if row.split.startswith(LEARNT_ON) and not row.split.startswith(split)]
    asked = [row for row in rows if row.split.startswith(split)]
    if not learnt or not asked:
        known = ", ".join(sorted({row.split for row in rows})) or "none"
        raise InvalidInput(f"{dataset} needs rows to learn from and rows of split {split!r}; it has {known}.")
    tools = read_tools(dataset)
    texts = [row.text for row in (*learnt, *asked)]
    before = requests_before(dataset, texts)
    vectors = TextVectors(embedder, cache)
    try:
        embedded = await vectors([*texts, *before, *(tool.document.text.concat for tool in tools)], progress)
    finally:
        await embedder.close()
    own, requests, described = np.split(embedded, [len(texts), len(texts) + len(before)])
    table = features(texts, own, described, requests)
    before_rows, fresh = table[: len(learnt)], table[len(learnt) :]
    labels = _labels(learnt)
    # A search's scores say which tool is best, not how good it is: the best is 1. Cosines compare across requests.
    retrieval = (own[len(learnt) :] @ described.T).max(axis=1).astype(np.float64)
    return Predicted(NeedModel.fit(before_rows, labels)(fresh), _labels(asked), retrieval, before_rows, labels)


def held_out(rows: Floats, labels: Labels) -> Floats:
    """The probability of every row by a model that was fitted on the other folds."""
    fold = np.random.default_rng(0).permutation(len(labels)) % FOLDS
    guessed = np.zeros(len(labels))
    for one in range(FOLDS):
        guessed[fold == one] = NeedModel.fit(rows[fold != one], labels[fold != one])(rows[fold == one])
    return guessed


def requests_before(dataset: Path, texts: Sequence[str]) -> list[str]:
    """Train queries of the folder, at most MOST_REQUESTS, without any that is to be judged itself."""
    if not (dataset / "queries.jsonl").exists():
        return []
    judged = {_plain(text) for text in texts}
    rows = read_rows(dataset / "queries.jsonl", lambda row: (required_text(row, "split"), required_text(row, "query")))
    found = [text for split, text in rows if split.startswith("train") and _plain(text) not in judged]
    dice = np.random.default_rng(0)
    return [found[number] for number in dice.permutation(len(found))[:MOST_REQUESTS]]


def auroc(scores: npt.NDArray[np.floating[Any]], labels: Labels) -> float:
    """Probability that one of the needed scores higher than one of the others; half of it for ties.

    Raises InvalidInput when one kind is missing.
    """
    needed, others = scores[labels], scores[~labels]
    if not needed.size or not others.size:
        raise InvalidInput("An AUROC needs rows of both kinds.")
    above = (needed[:, None] > others[None, :]).mean()
    return float(above + 0.5 * (needed[:, None] == others[None, :]).mean())


def _over_folds(rows: Floats, labels: Labels) -> Mapping[str, Mapping[str, float]]:
    """Mean and the middle 95 % of both scores over folds, each predicted by what was learnt on the others."""
    dice = np.random.default_rng(0)
    found: list[Mapping[str, float]] = []
    for _ in range(REPEATS):
        fold = dice.permutation(len(labels)) % FOLDS
        for held_out in range(FOLDS):
            model = NeedModel.fit(rows[fold != held_out], labels[fold != held_out])
            found.append(_scores(model(rows[fold == held_out]), labels[fold == held_out]))
    return {name: _interval([scores[name] for scores in found]) for name in found[0]}


def _interval(values: Sequence[float]) -> Mapping[str, float]:
    low, high = np.percentile(values, [2.5, 97.5])
    return {"mean": float(np.mean(values)), "low": float(low), "high": float(high)}


def _scores(guessed: Floats, labels: Labels) -> dict[str, float]:
    return {"auroc": auroc(guessed, labels), "accuracy": float(np.mean((guessed > THRESHOLD) == labels))}


def _plain(text: str) -> str:
    return " ".join(text.lower().split())


def _labels(rows: Sequence[Labelled]) -> Labels:
    return np.array([row.needed for row in rows], dtype=bool)


def _labelled(row: Mapping[str, Any]) -> Labelled:
    if not isinstance(row.get("needs_tool"), bool):
        raise InvalidInput("`needs_tool` is neither true nor false.")
    return Labelled(required_text(row, "query"), row["needs_tool"], required_text(row, "split"))

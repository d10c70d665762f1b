"""Learning which tool to choose from logged bandit feedback.

    python -m benchmarks.which_tool [--passes 7]

The log is simulated on toole's train queries through the product's own search (rl/data/bandit.py), in the profile that
knows documents alone (`plain`): `hybrid` has an adapter of its own, learnt from the labels of these queries. What is
trained here sees the log alone, and is tested on the test split. `unseen`: a fifth of the tools, with every query of
theirs, is left out of the log and asked for in the test.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.prepared_folders import CACHE
from benchmarks.report import Promise, finish
from domain.trajectories import StepCandidate
from gateway.evaluation.texts import TextVectors, searched
from index.adapter.adapter import Adapter
from index.adapter.evidence import Vectors
from index.embedders.minilm import MiniLMEmbedder
from index.evaluation.dataset import LabelledQuery, load_dataset
from rl.adapter.fit import fit_adapter
from rl.data.bandit import Labelled, logged

DEPTH = 30
FIFTH = 5

PROFILE = "plain"
SEARCHED = CACHE / f"toole_{PROFILE}.npz"
"""What the product's search gave for every query, which takes minutes; delete it when retrieval has changed."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--passes", type=int, default=7, help="Times that every train query is asked.")
    parser.add_argument("--split", default="test")
    asked = parser.parse_args()
    queries, vectors, embedder = asyncio.run(labelled_queries(("train", asked.split)))
    train, test = queries["train"], queries[asked.split]
    dice = np.random.default_rng(0)
    began = time.perf_counter()
    log = [decision for _ in range(asked.passes) for decision in logged(train, dice)]
    adapter = fit_adapter(log, vectors, embedder)
    trained_s = time.perf_counter() - began
    plain, learnt = success(test), success(test, choices_of(adapter, test, vectors))
    print(json.dumps({"plain": plain, "learnt": learnt, "trained_s": trained_s}), flush=True)
    unseen = [_unseen(train, test, vectors, embedder, fold) for fold in range(FIFTH)]
    print(json.dumps(unseen), flush=True)
    gain = 100 * (learnt - plain)
    unseen_gain = 100 * float(np.mean([one["learnt"] - one["plain"] for one in unseen]))
    promises = [
        Promise("which_tool_gain", gain, 20, " points", at_most=False),
        Promise("which_tool_gain_unseen", unseen_gain, 0, " points", at_most=False),
    ]
    details = {
        "logged_steps": len(log),
        "logged_success": float(np.mean([decision.reward for decision in log])),
        "success@1": {PROFILE: plain, "adapter": learnt},
        "trained_s": trained_s,
        "unseen": unseen,
    }
    finish("which_tool", promises, details, keep=asked.split == "test")


async def labelled_queries(splits: Sequence[str]) -> tuple[dict[str, list[Labelled]], Mapping[str, Vectors], str]:
    """Every query of the splits with its candidates and their truth; vectors by query; the embedder's version."""
    data = load_dataset(Path(os.environ["TOOLCRIB_DATASETS"]) / "toole", split="")
    texts = list(dict.fromkeys(query.text for query in data.queries))
    embedder = MiniLMEmbedder()
    version = embedder.version
    if not SEARCHED.exists():
        vectors = await TextVectors(embedder, CACHE)(texts, _silent)
        found = await searched(data.tools, texts, embedder, CACHE, _silent, profile=PROFILE)
        np.savez(SEARCHED, texts=np.array(texts), vectors=vectors, scores=np.stack([found[text] for text in texts]))
    with np.load(SEARCHED) as kept:
        places = {str(text): number for number, text in enumerate(kept["texts"])}
        scores, known = kept["scores"], kept["vectors"]
    ids = np.array([tool.tool_id for tool in data.tools])
    made: dict[str, list[Labelled]] = {split: [] for split in splits}
    for query in data.queries:
        if query.split in splits:
            made[query.split].append(_labelled(query, ids, scores[places[query.text]]))
    return made, {text: known[place] for text, place in places.items()}, version


def _labelled(query: LabelledQuery, ids: Any, scores: Vectors) -> Labelled:
    best = np.argsort(-scores, kind="stable")[:DEPTH]
    right = {*query.gold, *(other for others in query.alternatives.values() for other in others)}
    candidates = tuple(StepCandidate(str(ids[n]), float(scores[n])) for n in best if scores[n] > 0)
    return Labelled(query.text, candidates, tuple(candidate.tool_id in right for candidate in candidates))


def choices_of(adapter: Adapter, queries: Sequence[Labelled], vectors: Mapping[str, Vectors]) -> list[int]:
    """The place of the tool that the adapter puts first."""
    return [
        adapter.order(vectors[asked.query], [c.tool_id for c in asked.candidates], [c.score for c in asked.candidates])[
            0
        ]
        for asked in queries
    ]


def success_of(adapter: Adapter, queries: Sequence[Labelled], vectors: Mapping[str, Vectors]) -> float:
    """Share of the queries whose first tool, by the adapter, is right."""
    return success(queries, choices_of(adapter, queries, vectors))


def success(queries: Sequence[Labelled], choices: Sequence[int] | None = None) -> float:
    """Share of the queries whose first tool is right; retrieval's own first where there are no choices."""
    return float(np.mean([asked.right[0 if choices is None else choices[n]] for n, asked in enumerate(queries)]))


def _unseen(
    train: Sequence[Labelled], test: Sequence[Labelled], vectors: Mapping[str, Vectors], embedder: str, fold: int
) -> dict[str, float]:
    """Success on the queries of tools that did not exist while the log was written."""
    known = sorted({candidate.tool_id for asked in train for candidate in asked.candidates})
    new = set(known[fold::FIFTH])
    before = [_without(asked, new) for asked in train if not _wants(asked, new)]
    dice = np.random.default_rng(fold)
    adapter = fit_adapter([decision for _ in range(2) for decision in logged(before, dice)], vectors, embedder)
    asked = [query for query in test if _wants(query, new)]
    return {
        "queries": len(asked), "plain": success(asked), "learnt": success(asked, choices_of(adapter, asked, vectors)),
    }  # fmt: skip


def _wants(asked: Labelled, tools: set[str]) -> bool:
    return any(ok and candidate.tool_id in tools for candidate, ok in zip(asked.candidates, asked.right, strict=True))


def _without(asked: Labelled, tools: set[str]) -> Labelled:
    kept = [n for n, candidate in enumerate(asked.candidates) if candidate.tool_id not in tools]
    return replace(
        asked, candidates=tuple(asked.candidates[n] for n in kept), right=tuple(asked.right[n] for n in kept)
    )


def _silent(stage: str, done: int, total: int) -> None:
    """Nobody is watching."""


if __name__ == "__main__":
    main()

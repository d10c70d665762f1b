"""Fits the next-tool weights that are shipped, from zero, on sessions that no test split holds.

    python -m benchmarks.learn_next_tool [--check]

Train splits of tau2-retail-airline, api-bank and toolbench, dev split of seal-tools; every session is predicted with
the statistics of its own folder's others. `--check` prints cross-validated hits per folder instead, and writes nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import policy_client
from benchmarks.prepared_folders import CACHE
from gateway.evaluation.next_tool import Prepared, prepare
from index.embedders.minilm import MiniLMEmbedder
from policy_client.next_tool.conditional_logit import Choice, fit
from policy_client.next_tool.features import NAMES, SCHEMA
from policy_client.next_tool.model import RIDGE, choices

SETS = {"tau2-retail-airline": "train", "api-bank": "train", "toolbench": "train", "seal-tools": "dev"}
PER_SET = 600
"""Choices taken of each set, so that none outweighs the others."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--sets", nargs="*", choices=list(SETS), default=list(SETS))
    asked = parser.parse_args()
    made = {name: _choices(name) for name in asked.sets}
    if asked.check:
        for name, found in made.items():
            print(name, json.dumps(_cross_validated(found)), flush=True)
        return
    weights = fit([choice for found in made.values() for choice in found[:PER_SET]], np.zeros(len(NAMES)), RIDGE)
    target = Path(policy_client.__path__[0]) / "data" / "next_tool.json"
    shipped = {"schema": SCHEMA, "weights": dict(zip(NAMES, np.round(weights, 4).tolist(), strict=True))}
    target.write_text(json.dumps(shipped, indent=2) + "\n")
    print(target.read_text())


def _choices(name: str) -> list[Choice]:
    folder = Path(os.environ["TOOLCRIB_DATASETS"]) / name
    prepared: Prepared = asyncio.run(prepare(folder, MiniLMEmbedder(), CACHE, _silent, splits=(SETS[name],)))
    found = choices(prepared.splits[SETS[name]], prepared.tools)
    np.random.default_rng(0).shuffle(found)
    return found


def _cross_validated(found: Sequence[Choice], folds: int = 5) -> dict[str, dict[str, float]]:
    """Hits at 1 and 5 per ridge, on choices that the weights had not seen."""
    results = {}
    for ridge in (0.3, 1.0, 3.0, 10.0):
        places = []
        for fold in range(folds):
            weights = fit([c for n, c in enumerate(found) if n % folds != fold], np.zeros(len(NAMES)), ridge)
            for choice in found[fold::folds]:
                scores = choice.rows @ weights
                places.append(int((scores > scores[choice.chosen]).sum()))
        results[str(ridge)] = {f"hit@{k}": round(float(np.mean(np.array(places) < k)), 3) for k in (1, 5)}
    return results


def _silent(stage: str, done: int, total: int) -> None:
    """Nobody is watching."""


if __name__ == "__main__":
    main()

"""Need of a tool and next tool, as `toolcrib eval need` and `eval next-tool` measure them, with their pictures.

    python -m benchmarks.usage_learning [need | next-tool]

Draws the curves of docs/rl/need.md (ROC of the test requests; how often a tool was needed where the model, fitted on
other folds of train and dev, said so with what probability) and of docs/rl/next-tool.md (hit@1 and hit@5 by set).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np

from benchmarks.prepared_folders import CACHE
from benchmarks.report import RESULTS, Promise, finish
from gateway.evaluation.need import Labels, Predicted, evaluate_need, held_out, predict_need
from gateway.evaluation.next_tool import evaluate_next_tool
from index.embedders.minilm import MiniLMEmbedder
from policy_client.need import Floats

SETS = ("tau2-retail-airline", "api-bank", "seal-tools", "toolbench")
LEAST = {"tau2-retail-airline": (0.60, 0.90), "api-bank": (0.45, 0.70)}
"""Hit@1 and hit@5 that are promised; of the others only that no simple rule is better."""

RANKERS = {"this model": None, "first-order Markov": "markov1", "repeat last": "repeat", "prior alone": "prior"}
BINS = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", nargs="?", choices=["need", "next-tool"], help="One of both; none: both.")
    wanted = parser.parse_args().part
    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "toolcrib"  # the same picture has the same bytes
    promises: list[Promise] = []
    details: dict[str, Any] = {}
    for part in (wanted,) if wanted else ("need", "next-tool"):
        measured, promised = asyncio.run(_need() if part == "need" else _next_tool())
        details[part] = measured
        promises += promised
        print(json.dumps(measured, indent=1), flush=True)
    finish("usage_learning", promises, details)


async def _need() -> tuple[dict[str, Any], list[Promise]]:
    folder = _folder("toole")
    found = await evaluate_need(folder, MiniLMEmbedder(), CACHE, _silent)
    predicted = await predict_need(folder, MiniLMEmbedder(), CACHE, _silent, split="test")
    _draw_need(predicted)
    return found, [
        Promise("need_auroc", found["auroc"], 0.94, at_most=False),
        Promise("need_accuracy", found["accuracy"], 0.88, at_most=False),
    ]


async def _next_tool() -> tuple[dict[str, Any], list[Promise]]:
    found = {name: await evaluate_next_tool(_folder(name), MiniLMEmbedder(), CACHE, _silent) for name in SETS}
    _draw_next_tool(found)
    promises = []
    for name, one in found.items():
        rules = [one[rule] for rule in RANKERS.values() if rule is not None]
        for place, depth in enumerate(("hit@1", "hit@5")):
            least = max(LEAST.get(name, (0.0, 0.0))[place], *(rule[depth] for rule in rules))
            promises.append(Promise(f"next_tool_{name}_{depth}", one[depth], least, at_most=False))
    return found, promises


def _draw_need(predicted: Predicted) -> None:
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4))
    for name, scores in (("model", predicted.guessed), ("the nearest tool's cosine", predicted.retrieval)):
        left.plot(*_roc(scores, predicted.truth), label=name, drawstyle="steps-post")
    left.plot([0, 1], [0, 1], color="grey", linestyle=":")
    left.set(xlabel="of those that needed none", ylabel="of those that needed a tool", title="ROC, test requests")
    left.legend(fontsize="small", loc="lower right")
    said, was, low, high = _reliability(held_out(predicted.rows, predicted.labels), predicted.labels)
    right.errorbar(said, was, yerr=[was - low, high - was], marker="o", capsize=3)
    right.plot([0, 1], [0, 1], color="grey", linestyle=":")
    right.set(xlabel="probability that the model gave", ylabel="share that needed a tool", title="held-out folds")
    _save(figure, "need")


def _roc(scores: Floats, truth: Labels) -> tuple[Floats, Floats]:
    """Shares of the others and of the needed that score at least as high, from the highest score down."""
    thresholds = np.unique(scores)[::-1]
    others, needed = (np.array([0.0, *((scores[kind] >= at).mean() for at in thresholds)]) for kind in (~truth, truth))
    return others, needed


def _reliability(guessed: Floats, truth: Labels) -> tuple[Floats, Floats, Floats, Floats]:
    """Of equal numbers of requests, by probability: its mean, the share that needed one, and Wilson's 95 % interval."""
    parts = np.array_split(np.argsort(guessed), BINS)
    said = np.array([guessed[part].mean() for part in parts])
    was = np.array([truth[part].mean() for part in parts])
    square = 1.96**2 / np.array([len(part) for part in parts])
    middle = (was + square / 2) / (1 + square)
    half = np.sqrt(was * (1 - was) * square + square**2 / 4) / (1 + square)
    return said, was, np.minimum(middle - half, was), np.maximum(middle + half, was)


def _draw_next_tool(found: Mapping[str, Mapping[str, Any]]) -> None:
    figure, axes = plt.subplots(1, 2, figsize=(10, 4), sharey=True)
    for depth, axis in zip(("hit@1", "hit@5"), axes, strict=True):
        for place, (name, rule) in enumerate(RANKERS.items()):
            values = [(one if rule is None else one[rule])[depth] for one in found.values()]
            axis.bar(np.arange(len(found)) + 0.2 * place, values, 0.2, label=name)
        axis.set(title=depth, xticks=np.arange(len(found)) + 0.3, ylim=(0, 1))
        axis.set_xticklabels([f"{name}\n{one['steps']} calls" for name, one in found.items()], fontsize="small")
        axis.grid(visible=True, axis="y", alpha=0.3)
    axes[0].set_ylabel("share of the calls after a session's first")
    axes[0].legend(fontsize="small")
    _save(figure, "next_tool")


def _save(figure: Any, name: str) -> None:
    figure.savefig(RESULTS / f"{name}.svg", metadata={"Date": None}, bbox_inches="tight")
    plt.close(figure)


def _folder(name: str) -> Path:
    return Path(os.environ["TOOLCRIB_DATASETS"]) / name


def _silent(stage: str, done: int, total: int) -> None:
    """Nobody is watching."""


if __name__ == "__main__":
    main()

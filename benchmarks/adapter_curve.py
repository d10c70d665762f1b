"""How many logged choices the retrieval adapter needs: success@1 on test queries over the size of the log.

    python -m benchmarks.adapter_curve [--asked 1500]

As `which_tool`: toole, the product's search of documents alone, a softmax over its scores that chooses, labels that
judge what was chosen. Draws docs/rl/adapter.md's curve.
"""

from __future__ import annotations

import argparse
import asyncio
import json

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np

from benchmarks.report import RESULTS, finish
from benchmarks.which_tool import labelled_queries, success_of
from rl.adapter.fit import fit_adapter
from rl.data.bandit import logged

SHARES = (0.03, 0.1, 0.3, 1.0, 3.0)
"""Of the train queries, each asked so often."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--asked", type=int, default=1500)
    wanted = parser.parse_args()
    queries, vectors, embedder = asyncio.run(labelled_queries(("train", "test")))
    dice = np.random.default_rng(0)
    train = queries["train"]
    test = [queries["test"][n] for n in dice.permutation(len(queries["test"]))[: wanted.asked]]
    points = []
    for share in SHARES:
        asked = [train[n % len(train)] for n in dice.permutation(round(share * len(train)))]
        log = logged(asked, dice)
        adapter = fit_adapter(log, vectors, embedder)
        points.append({"steps": len(log), "success@1": success_of(adapter, test, vectors)})
        print(json.dumps(points[-1]), flush=True)
    plain = float(np.mean([query.right[0] for query in test]))
    _draw(points, plain)
    finish("adapter_curve", [], {"asked": len(test), "plain": plain, "points": points})


def _draw(points: list[dict[str, float]], plain: float) -> None:
    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "toolcrib"  # the same picture has the same bytes
    figure, axes = plt.subplots(figsize=(6.4, 3.6))
    axes.plot([one["steps"] for one in points], [one["success@1"] for one in points], marker="o", label="adapter")
    axes.axhline(plain, color="C1", label="documents alone")
    axes.set(xlabel="logged choices", ylabel="success@1, test", xscale="log")
    axes.grid(visible=True, alpha=0.3)
    axes.legend()
    figure.savefig(RESULTS / "adapter_curve.svg", metadata={"Date": None}, bbox_inches="tight")
    plt.close(figure)


if __name__ == "__main__":
    main()

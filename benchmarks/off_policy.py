"""Can off-policy estimates be trusted? Each estimator against the true value, over many logs and lengths of log.

    python -m benchmarks.off_policy [--repetitions 100]

Logged bandit feedback simulated on toole's train queries through the product's own search of documents alone, as in
`which_tool`; the evaluated policy is an adapter that was trained on another log. Propensities are exact. Two logging
policies: `canary` (a softmax over retrieval's scores decides 85 %, the evaluated policy 10 %, as in the mode canary,
chance 5 %) and `chance` (retrieval 90 %, chance 10 %: what the evaluated policy prefers and retrieval ranks low is
hardly ever tried).

Every estimate stands with its 95 % interval: of the normal distribution of its terms, and by leaving out tenths of the
sessions (policy_client/ope/jackknife.py). What is promised is said of `dros` with the second. Draws the curves of
docs/rl/off-policy.md; logs shorter than the longest are repeated FEWER times.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np

from benchmarks.report import RESULTS, Promise, finish
from benchmarks.which_tool import choices_of, labelled_queries, success
from policy_client.ope.estimators import Estimate, effective_sample_size
from policy_client.ope.evidence import Vectors
from policy_client.ope.jackknife import jackknifed
from policy_client.ope.reward_model import RewardModels
from rl.adapter.fit import fit_adapter
from rl.data.bandit import Behaviour, Labelled, logged
from rl.ope.command import ESTIMATORS

BEHAVIOURS = {"canary": Behaviour(epsilon=0.05, canary=0.1), "chance": Behaviour(epsilon=0.1)}
STEPS = (1_000, 2_000, 5_000, 10_000)
FEWER = 40
PROMISED = "dros"
PASSES = 7
POINTS = 0.02
DRAWN = ("snips", "dr", "switch", "dros", "dm")


@dataclass(frozen=True, slots=True)
class Asked:
    """Queries, what the evaluated policy chooses for each, and what that is worth."""

    queries: Sequence[Labelled]
    chosen: Mapping[str, int]
    vectors: Mapping[str, Vectors]
    truth: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=100)
    wanted = parser.parse_args().repetitions
    asked = _asked()
    with ProcessPoolExecutor(len(BEHAVIOURS)) as pool:
        made = pool.map(partial(_table, asked, wanted), BEHAVIOURS.values())
        tables = dict(zip(BEHAVIOURS, made, strict=True))
    print(json.dumps({name: table[str(STEPS[-1])] for name, table in tables.items()}, indent=1), flush=True)
    _draw(tables)
    promises = []
    for name, table in tables.items():
        row = table[str(STEPS[-1])]["estimators"][PROMISED]
        promises += [
            Promise(f"off_policy_{name}_mean_error", row["mean_error"], 2, " points"),
            Promise(f"off_policy_{name}_coverage", row["coverage_jackknife"], 0.9, at_most=False),
        ]
    behaviours = {name: asdict(behaviour) for name, behaviour in BEHAVIOURS.items()}
    finish("off_policy", promises, {"repetitions": wanted, "truth": asked.truth, "behaviours": behaviours,
                                    "logs": tables})  # fmt: skip


def _asked() -> Asked:
    queries, vectors, embedder = asyncio.run(labelled_queries(("train",)))
    train, dice = queries["train"], np.random.default_rng(0)
    adapter = fit_adapter([one for _ in range(PASSES) for one in logged(train, dice)], vectors, embedder)
    choices = choices_of(adapter, train, vectors)
    chosen = {query.query: choice for query, choice in zip(train, choices, strict=True)}
    return Asked(train, chosen, vectors, success(train, choices))


def _table(asked: Asked, repetitions: int, behaviour: Behaviour) -> dict[str, Any]:
    """By number of logged steps."""
    few = min(FEWER, repetitions)
    return {
        str(steps): _measured(asked, behaviour, steps, repetitions if steps == STEPS[-1] else few) for steps in STEPS
    }


def _measured(asked: Asked, behaviour: Behaviour, steps: int, repetitions: int) -> dict[str, Any]:
    dice = np.random.default_rng(1)
    found: dict[str, list[tuple[Estimate, Estimate]]] = {name: [] for name in ESTIMATORS}
    sizes, earned = [], []
    for _ in range(repetitions):
        sample = [asked.queries[n] for n in dice.integers(len(asked.queries), size=steps)]
        log = logged(sample, dice, behaviour, asked.chosen)
        likely = [np.eye(len(one.candidates))[asked.chosen[one.query]] for one in log]
        models = RewardModels.of(log, likely, asked.vectors)
        whole, left_out = models.logged(), jackknifed(ESTIMATORS, models)
        for name, estimator in ESTIMATORS.items():
            found[name].append((estimator(whole), left_out[name]))
        sizes.append(effective_sample_size(whole.weights))
        earned.append(float(whole.reward.mean()))
    return {
        "logged_success": float(np.mean(earned)),
        "effective_sample_size": float(np.mean(sizes)),
        "estimators": {name: _row(of, asked.truth) for name, of in found.items()},
    }


def _row(found: Sequence[tuple[Estimate, Estimate]], truth: float) -> dict[str, float]:
    """Errors and half widths in points, shares of the logs otherwise."""
    errors = np.array([one.value - truth for one, _ in found])
    row = {
        "bias": 100 * errors.mean(),
        "mean_error": 100 * np.abs(errors).mean(),
        "error_p95": 100 * np.quantile(np.abs(errors), 0.95),
        "within_2_points": np.mean(np.abs(errors) <= POINTS),
    }
    for place, name in enumerate(("normal", "jackknife")):
        intervals = [both[place] for both in found]
        row[f"coverage_{name}"] = np.mean([one.covers(truth) for one in intervals])
        row[f"half_width_{name}"] = 50 * np.mean([one.high - one.low for one in intervals])
    return {name: round(float(value), 4) for name, value in row.items()}


def _draw(tables: Mapping[str, Mapping[str, Any]]) -> None:
    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "toolcrib"  # the same picture has the same bytes
    figure, axes = plt.subplots(2, len(tables), figsize=(9, 6.4), sharex=True, sharey="row")
    for column, (name, table) in enumerate(tables.items()):
        for estimator in DRAWN:
            rows = [table[str(steps)]["estimators"][estimator] for steps in STEPS]
            axes[0][column].plot(STEPS, [row["mean_error"] for row in rows], marker="o", label=estimator)
            axes[1][column].plot(STEPS, [row["coverage_jackknife"] for row in rows], marker="o", label=estimator)
        axes[0][column].axhline(2, color="grey", linestyle=":")
        axes[1][column].axhline(0.95, color="grey", linestyle=":")
        axes[0][column].set(title=f"logged by {name}", xscale="log")
        axes[1][column].set(xlabel="logged steps", ylim=(0, 1.02))
        for row in (0, 1):
            axes[row][column].grid(visible=True, alpha=0.3)
    axes[0][0].set(ylabel="mean error, points", ylim=(0, 8))
    axes[1][0].set(ylabel="coverage of 95 % intervals")
    axes[0][0].legend(fontsize="small")
    figure.savefig(RESULTS / "off_policy.svg", metadata={"Date": None}, bbox_inches="tight")
    plt.close(figure)


if __name__ == "__main__":
    main()

"""Every data set's test split through the product's own index: the tables and pictures of docs/retrieval.md.

    python -m benchmarks.retrieval [--vectors DIR] [--sets toole ...] [--skip others fields usage latency]

Every stage off in turn (profiles), the set left out of what was learnt ("others"), fields weighed apart ("fields"),
usage and removed gold on toole ("usage"), milliseconds of a search as the catalogue grows ("latency").
Rankings are those of `toolcrib eval retrieval --dataset DIR --profile NAME`: the same recall, ranked by the same code.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.adapter_fitting import pairs
from benchmarks.judged import SETS, Judged, judged
from benchmarks.learn_mix import learnt_on_others
from benchmarks.real_catalogue import DATASETS
from benchmarks.report import RESULTS, Promise, finish
from benchmarks.retrieval_page import STAGES, by_profile, write
from benchmarks.retrieval_plots import draw
from benchmarks.search_scale import product_row
from index.embedders.minilm import MiniLMEmbedder
from index.evaluation.metrics import complete, recall
from index.evaluation.retrieval import RetrievalEvaluation, evaluate_retrieval
from index.fields import DESCRIPTION, NAME, PARAMETERS, QUESTIONS, TDWA_WEIGHTS
from index.profiles import PROFILES, Mix, Profile
from index.ranking.learnt import Learnt, LearntMix, shipped
from index.ranking.order import rank

OTHERS = "others"
"""Hybrid by what was learnt on all other sets."""

FIELDS: Mapping[str, Mapping[str, float]] = {
    "weighted": TDWA_WEIGHTS,
    **{
        f"without {left_out}": {name: weight for name, weight in TDWA_WEIGHTS.items() if name != left_out}
        for left_out in TDWA_WEIGHTS
    },
    "second variant": {NAME: 0.2, DESCRIPTION: 0.3, PARAMETERS: 0.0, QUESTIONS: 0.5},
}
"""Weights of the fields' cosines, applied when the query comes; the second variant is ScaleMCP's too."""

SIZES = (1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000)

SHOWN = 20
RESAMPLES = 1000
_SEED = 5

FLOORS = {
    "toole/single": (0.82, None),
    "toole/multi": (0.75, 0.52),
    "seal-tools": (0.945, 0.86),
    "toolbench": (0.71, 0.50),
    "mcp-catalogue": (0.81, None),
    "api-bank": (0.76, None),
    "tau2-retail-airline": (0.57, None),
}
"""Recall@5 and complete@5 that the default profile has to reach."""

Rows = dict[str, dict[str, dict[str, Any]]]
"""Group -> profile -> numbers."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vectors", type=Path, default=Path(".demo/vectors"))
    parser.add_argument("--sets", nargs="+", default=list(SETS))
    parser.add_argument(
        "--skip", nargs="*", default=[], choices=(OTHERS, "fields", "usage", "latency"), help="kept as known"
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="tools, for the part latency")
    asked = parser.parse_args()
    known = _known()
    rows: Rows = known.get("results", {})
    weighed: Rows = known.get("fields", {})
    everything = [] if OTHERS in asked.skip else pairs(asked.vectors)
    for name in asked.sets:
        measured(rows, judged(name, "test", asked.vectors, lambda _: shipped().adapter), shipped(), STAGES)
        if everything:
            learnt = learnt_on_others(name, everything, asked.vectors)
            queries = judged(name, "test", asked.vectors, lambda _, learnt=learnt: learnt.adapter)  # type: ignore[misc]
            measured(rows, queries, learnt, (OTHERS,))
        if "fields" not in asked.skip:
            fields(weighed, name, asked.vectors)
    asks = known.get("toole", {}) if "usage" in asked.skip else asyncio.run(toole(asked.vectors))
    timed: list[dict[str, Any]] = known.get("latency", [])
    if "latency" not in asked.skip:
        timed = latency(timed, asked.sizes, asked.vectors)
    draw(rows, timed)
    kept = {"results": rows, "fields": weighed, "toole": asks, "latency": timed}
    write(kept)
    print(by_profile(rows, [*STAGES, OTHERS]))
    finish("retrieval", [*floors(rows), *of_others(rows), *of_toole(asks)], kept)


def measured(rows: Rows, queries: Sequence[Judged], learnt: Learnt, profiles: Sequence[str]) -> None:
    """Add the numbers of these queries' groups."""
    for group in dict.fromkeys(one.group for one in queries):
        own = [one for one in queries if one.group == group]
        for profile in profiles:
            how = PROFILES["hybrid" if profile == OTHERS else profile]
            learnt_mix = learnt.mix if how.adapter else learnt.plain
            mix = learnt_mix if how.mix is Mix.LEARNT else None
            rows.setdefault(group, {})[profile] = numbers(own, how, mix)


def fields(rows: Rows, name: str, vectors: Path) -> None:
    """Add what fields weighed apart find on a set's test split: frozen into one vector, and by weights of the query."""
    for profile, weights in (("tdwa", {"tdwa": TDWA_WEIGHTS}), ("weighted", FIELDS)):
        queries = judged(name, "test", vectors, lambda _: shipped().adapter, profile=PROFILES[profile])
        for group in dict.fromkeys(one.group for one in queries):
            own = [one for one in queries if one.group == group]
            for row, of_row in weights.items():
                how = replace(PROFILES[profile], cosines=of_row if profile == "weighted" else {})
                rows.setdefault(group, {})[row] = numbers(own, how)


def latency(known: list[dict[str, Any]], sizes: Sequence[int], vectors: Path) -> list[dict[str, Any]]:
    """The product's index in a process of its own, at every size: milliseconds of each stage of a search."""
    kept = {row["size"]: row for row in known}
    with tempfile.TemporaryDirectory(prefix="toolcrib-scale-") as folder:
        kept |= {size: product_row(size, Path(folder) / "index", vectors) for size in sizes}
    return [kept[size] for size in sorted(kept)]


def numbers(queries: Sequence[Judged], how: Profile, mix: LearntMix | None = None) -> dict[str, Any]:
    """Means, and 95 % intervals of the mean by bootstrap over the queries."""
    at_k = np.zeros((len(queries), SHOWN))
    all_5 = np.zeros(len(queries))
    for row, one in enumerate(queries):
        hits, wanted = one.gains(rank(one.recall, how, SHOWN, mix=mix)[0]), len(one.query.gold)
        at_k[row] = [recall(hits, wanted, k) for k in range(1, SHOWN + 1)]
        all_5[row] = complete(hits, wanted, 5)
    return {
        "queries": len(queries),
        "recall@1": round(float(at_k[:, 0].mean()), 4),
        "recall@5": round(float(at_k[:, 4].mean()), 4),
        "recall@5_95": interval(at_k[:, 4]),
        "complete@5": round(float(all_5.mean()), 4),
        "complete@5_95": interval(all_5),
        "recall@k": [round(float(value), 4) for value in at_k.mean(axis=0)],
    }


def interval(values: npt.NDArray[np.float64]) -> tuple[float, float]:
    """2.5th and 97.5th percentile of the mean over resampled queries."""
    chance = np.random.default_rng(_SEED)
    means = [values[chance.integers(len(values), size=len(values))].mean() for _ in range(RESAMPLES)]
    low, high = np.percentile(means, [2.5, 97.5])
    return round(float(low), 4), round(float(high), 4)


async def toole(vectors: Path) -> dict[str, Any]:
    """What only the product measures: toole asked before, and without its gold tools."""
    folder = DATASETS / "toole"
    before = RetrievalEvaluation(folder, usage="train")
    removed = RetrievalEvaluation(folder, remove_gold=True)
    return {
        "usage": await evaluate_retrieval(before, MiniLMEmbedder(), vectors),
        "remove_gold": await evaluate_retrieval(removed, MiniLMEmbedder(), vectors),
    }


def floors(rows: Rows) -> list[Promise]:
    found = []
    for group, (at_5, all_5) in FLOORS.items():
        if group not in rows:
            continue
        found.append(Promise(f"{group}_recall@5", rows[group]["hybrid"]["recall@5"], at_5, at_most=False))
        if all_5 is not None:
            found.append(Promise(f"{group}_complete@5", rows[group]["hybrid"]["complete@5"], all_5, at_most=False))
    return found


def of_others(rows: Rows) -> list[Promise]:
    """What is learnt elsewhere costs no set more than a point or two queries against its better single leg."""
    return [
        Promise(
            f"{group}_left_out_recall@5",
            of_group[OTHERS]["recall@5"],
            round(
                max(of_group["bm25"]["recall@5"], of_group["dense"]["recall@5"])
                - max(0.01, 2 / of_group["dense"]["queries"]),
                4,
            ),
            at_most=False,
        )
        for group, of_group in rows.items()
        if OTHERS in of_group
    ]


def of_toole(asks: Mapping[str, Any]) -> list[Promise]:
    if not asks:
        return []
    single, removed = asks["usage"]["subsets"]["single"], asks["remove_gold"]
    return [
        Promise("toole/single_usage_recall@1", single["recall@1"], 0.86, at_most=False),
        Promise("toole/single_usage_recall@5", single["recall@5"], 0.965, at_most=False),
        Promise("toole_abstention_auroc", removed["abstention_auroc"], 0.78, at_most=False),
        Promise("toole_refused", removed["refused"], 0.05),
    ]


def _known() -> dict[str, Any]:
    """What was measured last, for the parts that are skipped."""
    path = RESULTS / "retrieval.json"
    kept: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return kept if "toole" in kept else {}


if __name__ == "__main__":
    main()

"""Learns the weights of the hybrid profile from train and dev splits, and writes index/ranking/learnt_mix.json.

    python -m benchmarks.learn_mix [--vectors DIR] [--dry-run]

Prints, for train and dev: the fixed mix, two-fold cross-validation, leave-one-set-out, and BM25 and dense beside them.
toolbench has no train or dev split and is never learnt from. Test splits are not read.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.judged import SETS, SINGLE, Judged, judged
from benchmarks.mix_fitting import PULL, STEPS, fitted
from domain.errors import InvalidInput
from index.evaluation.metrics import complete, recall
from index.profiles import PROFILES, Mix, Profile
from index.ranking import learnt
from index.ranking.evidence import CIRCUMSTANCES, MARKS
from index.ranking.learnt import LearntMix
from index.ranking.order import rank

TARGET = Path(learnt.__file__).parent / "learnt_mix.json"
SINGLES = 350
"""Of toole's single-tool queries, per split: more of them change nothing, and other sets have so many."""

Choice = Callable[[Judged], tuple[Profile, LearntMix | None]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vectors", type=Path, default=Path(".demo/vectors"))
    parser.add_argument("--dry-run", action="store_true")
    asked = parser.parse_args()
    queries = tuning_queries(asked.vectors)
    hybrid = replace(PROFILES["hybrid"], mix=Mix.LEARNT)
    for name in ("bm25", "dense", "mixed"):
        show(name, scores(queries, partial(_always, PROFILES[name])))
    halves = [fitted(queries[half::2]) for half in (1, 0)]
    number = {id(one): at for at, one in enumerate(queries)}
    show("learnt, cross-validated", scores(queries, lambda one: (hybrid, halves[number[id(one)] % 2])))
    others = left_out(queries)
    show("learnt on the other sets", scores(queries, lambda one: (hybrid, others[one.dataset])))
    final = fitted(queries)
    show("learnt on all", scores(queries, lambda _: (hybrid, final)))
    if not asked.dry_run:
        TARGET.write_text(document(final, len(queries)))


def _always(profile: Profile, _: Judged) -> tuple[Profile, LearntMix | None]:
    return profile, None


def tuning_queries(vectors: Path) -> list[Judged]:
    """Every set's train and dev splits."""
    found: list[Judged] = []
    for dataset in SETS:
        for split in ("train", "dev"):
            try:
                found += judged(dataset, split, vectors, singles=SINGLES)
            except InvalidInput as error:
                print(f"{dataset} {split}: {error.message}")
    return found


def left_out(queries: Sequence[Judged], sets: Sequence[str] = SETS) -> dict[str, LearntMix]:
    """Per set, the weights learnt without it."""
    return {name: fitted([one for one in queries if one.dataset != name]) for name in sets}


def scores(queries: Sequence[Judged], choose: Choice) -> dict[str, tuple[float, float]]:
    """Recall@5 and complete@5 per group."""
    rows: dict[str, list[tuple[float, float]]] = {}
    for one in queries:
        profile, mix = choose(one)
        hits = one.gains(rank(one.recall, profile, 5, mix=mix)[0])
        wanted = len(one.query.gold)
        rows.setdefault(one.group, []).append((recall(hits, wanted, 5), complete(hits, wanted, 5)))
    means = {group: np.mean(of, axis=0) for group, of in rows.items()}
    return {group: (float(at_5), float(all_5)) for group, (at_5, all_5) in means.items()}


def show(name: str, found: Mapping[str, tuple[float, float]]) -> None:
    cells = "  ".join(f"{group} {at_5:.3f}/{all_5:.3f}" for group, (at_5, all_5) in found.items())
    print(f"{name:26} {cells}  mean {np.mean([at_5 for at_5, _ in found.values()]):.4f}", flush=True)


def document(mix: LearntMix, queries: int) -> str:
    """What is kept: the weights, what they stand for, and where they come from."""
    kept = {
        "made_by": "python -m benchmarks.learn_mix",
        "from": f"{queries} queries of the train and dev splits of {', '.join(SETS)}; {SINGLES} of {SINGLE} per split",
        "fit": {"steps": STEPS, "pull": PULL},
        "marks": MARKS,
        "circumstances": CIRCUMSTANCES,
        **{name: np.round(getattr(mix, name), 5).tolist() for name in ("whole", "clause", "mean", "scale")},
    }
    return json.dumps(kept, indent=1) + "\n"


if __name__ == "__main__":
    main()

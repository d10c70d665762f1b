"""Learns what the hybrid profile ranks by: the adapter and the two mixes, in index/learnt/.

    python -m benchmarks.learn_mix [--vectors DIR] [--others] [--dry-run]

The adapter is learnt from train splits and small sets' dev splits, the mixes from train and dev splits, each query seen
through an adapter that was trained without it. Prints, for train and dev: BM25, dense, the fixed mix, two-fold
cross-validation of both mixes, and with `--others` what is learnt on all other sets. toolbench has no train or dev
split and is never learnt from. Test splits are not read.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.adapter_fitting import Pairs, fold_of, folds, pairs, trained
from benchmarks.judged import SETS, SINGLE, Adapters, Judged, judged
from benchmarks.mix_fitting import PULL, STEPS, fitted
from domain.errors import InvalidInput
from index.embedders.minilm import MiniLMEmbedder
from index.evaluation.metrics import complete, recall
from index.profiles import PROFILES, Profile
from index.ranking.evidence import CIRCUMSTANCES, PLAIN_MARKS
from index.ranking.learnt import FILES, Learnt, LearntMix
from index.ranking.order import rank

SINGLES = 350
"""Of toole's single-tool queries, per split: more of them change nothing, and other sets have so many."""

Choice = Callable[[Judged], tuple[Profile, LearntMix | None]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vectors", type=Path, default=Path(".demo/vectors"))
    parser.add_argument("--others", action="store_true", help="also leave one set out after the other")
    parser.add_argument("--dry-run", action="store_true")
    asked = parser.parse_args()
    everything = pairs(asked.vectors)
    halves = folds(everything)
    queries = tuning_queries(asked.vectors, lambda text: halves[fold_of(text)])
    for name in ("bm25", "dense", "mixed"):
        show(name, scores(queries, partial(_always, PROFILES[name], None)))
    show("plain, cross-validated", cross_validated(queries, PROFILES["plain"]))
    show("hybrid, cross-validated", cross_validated(queries, PROFILES["hybrid"]))
    if asked.others:
        show("hybrid, of other sets", of_others(everything, asked.vectors))
    if not asked.dry_run:
        learnt = learnt_from(queries, trained(everything))
        FILES.mkdir(exist_ok=True)
        np.save(FILES / "adapter.npy", learnt.adapter.weights.astype(np.float16))
        (FILES / "mix.json").write_text(document(learnt, len(queries)))


def learnt_on_others(name: str, everything: Sequence[Pairs], vectors: Path) -> Learnt:
    """Adapter and mixes without one set, for which they are then as new as any catalogue is."""
    others = [one for one in everything if one.dataset != name]
    halves = folds(others)
    sets = [other for other in SETS if other != name]
    return learnt_from(tuning_queries(vectors, lambda text: halves[fold_of(text)], sets), trained(others))


def learnt_from(queries: Sequence[Judged], adapter: Any) -> Learnt:
    return Learnt(MiniLMEmbedder().version, adapter, fitted(queries), fitted(queries, PLAIN_MARKS))


def of_others(everything: Sequence[Pairs], vectors: Path) -> dict[str, tuple[float, float]]:
    """Every set by what was learnt on all others."""
    found: dict[str, tuple[float, float]] = {}
    for name in SETS:
        learnt = learnt_on_others(name, everything, vectors)
        own = tuning_queries(vectors, lambda _, learnt=learnt: learnt.adapter, [name])  # type: ignore[misc]
        if own:
            found |= scores(own, partial(_always, PROFILES["hybrid"], learnt.mix))
    return found


def cross_validated(queries: Sequence[Judged], profile: Profile) -> dict[str, tuple[float, float]]:
    """Each query by a mix that was fitted without it."""
    marks = {} if profile.adapter else {"marks": PLAIN_MARKS}
    by_fold = [fitted([one for one in queries if fold_of(one.query.text) != fold], **marks) for fold in (0, 1)]
    return scores(queries, lambda one: (profile, by_fold[fold_of(one.query.text)]))


def _always(profile: Profile, mix: LearntMix | None, _: Judged) -> tuple[Profile, LearntMix | None]:
    return profile, mix


def tuning_queries(vectors: Path, adapters: Adapters, sets: Sequence[str] = SETS) -> list[Judged]:
    """Every set's train and dev splits."""
    found: list[Judged] = []
    for dataset in sets:
        for split in ("train", "dev"):
            try:
                found += judged(dataset, split, vectors, adapters, singles=SINGLES)
            except InvalidInput as error:
                print(f"{dataset} {split}: {error.message}")
    return found


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


def document(learnt: Learnt, queries: int) -> str:
    """What is kept: the weights, what they stand for, and where they come from."""
    kept = {
        "made_by": "python -m benchmarks.learn_mix",
        "from": f"{queries} queries of the train and dev splits of {', '.join(SETS)}; {SINGLES} of {SINGLE} per split",
        "fit": {"steps": STEPS, "pull": PULL},
        "embedder": learnt.embedder,
        "adapted": _mix(learnt.mix),
        "plain": _mix(learnt.plain),
    }
    return json.dumps(kept, indent=1) + "\n"


def _mix(mix: LearntMix) -> dict[str, Any]:
    numbers = {name: np.round(getattr(mix, name), 5).tolist() for name in ("whole", "clause", "mean", "scale")}
    return {"marks": mix.marks, "circumstances": CIRCUMSTANCES, **numbers}


if __name__ == "__main__":
    main()

"""The learnt mix: each mark of a candidate counts as much as the circumstances of the query make it.

    score(tool) = whole . marks(query, tool) + max over clauses of (clause . marks(clause, tool))

(index/ranking/order.py adds the two up, and what coverage takes away), where `whole` and `clause` are linear in the
circumstances of the text: 60 numbers, fitted on train and dev splits by `benchmarks/learn_mix.py`, which says how. What
is learnt holds for the embedding model that it was learnt with; with another model a search takes the fixed weights of
its profile.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from index.ports import Matrix
from index.ranking.adapter import QueryAdapter
from index.ranking.evidence import CIRCUMSTANCES, MARKS, evidence
from index.ranking.recall import Table

Weights = npt.NDArray[np.float64]

FILES = Path(__file__).parent.parent / "learnt"
"""`mix.json`, `adapter.npy`, and `calibration.json` of index/calibration.py."""


@dataclass(frozen=True, slots=True, eq=False)
class LearntMix:
    """`whole`, `clause`: shape (marks, circumstances). `mean`, `scale`: of the circumstances it was fitted on."""

    marks: tuple[str, ...]
    whole: Weights
    clause: Weights
    mean: Weights
    scale: Weights

    def trust(self, circumstances: Matrix) -> Weights:
        """What each mark counts for each text: shape (texts, marks). The first text is the whole query."""
        standard = (circumstances - self.mean) / self.scale
        trust: Weights = standard @ self.clause.T
        trust[0] = self.whole @ standard[0]
        return trust

    def scores(self, table: Table) -> Weights:
        """One number per text and candidate: shape (texts, candidates), the whole query first."""
        marks, circumstances = evidence(table, self.marks)
        by_text: Weights = np.einsum("tcm,tm->tc", marks, self.trust(circumstances))
        return by_text


@dataclass(frozen=True, slots=True, eq=False)
class Learnt:
    """What was learnt for one embedding model. `plain`: the mix for profiles that do without the adapter."""

    embedder: str
    adapter: QueryAdapter
    mix: LearntMix
    plain: LearntMix


@cache
def shipped() -> Learnt:
    """What comes with this version."""
    document = json.loads((FILES / "mix.json").read_text(encoding="utf-8"))
    adapter = QueryAdapter(np.load(FILES / "adapter.npy").astype(np.float32))
    return Learnt(document["embedder"], adapter, mix_of(document["adapted"]), mix_of(document["plain"]))


def learnt_for(embedder: str) -> Learnt | None:
    """What was learnt with the embedder of this version; None for any other."""
    return shipped() if shipped().embedder == embedder else None


def mix_of(kept: Mapping[str, Any]) -> LearntMix:
    """Raises ValueError when it was made for other marks or circumstances than this code measures."""
    marks = tuple(kept["marks"])
    if not set(marks) <= set(MARKS) or tuple(kept["circumstances"]) != CIRCUMSTANCES:
        raise ValueError("The learnt mix is for other marks; run `python -m benchmarks.learn_mix`.")
    return LearntMix(marks, *(np.array(kept[name], np.float64) for name in ("whole", "clause", "mean", "scale")))

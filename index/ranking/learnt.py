"""The learnt mix: each mark of a candidate counts as much as the circumstances of the query make it.

    score(tool) = whole . marks(query, tool) + max over clauses of (clause . marks(clause, tool))

where `whole` and `clause` are linear in the circumstances of the text. 50 numbers, fitted on train and dev splits by
`benchmarks/learn_mix.py`, which says how; kept beside this file with where they come from.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from index.ports import Matrix
from index.ranking.evidence import CIRCUMSTANCES, MARKS, evidence
from index.ranking.recall import Table

Weights = npt.NDArray[np.float64]

_FILE = Path(__file__).parent / "learnt_mix.json"


@dataclass(frozen=True, slots=True)
class LearntMix:
    """`whole`, `clause`: shape (marks, circumstances). `mean`, `scale`: of the circumstances it was fitted on."""

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

    def scores(self, table: Table) -> tuple[Weights, Weights | None]:
        """One number per candidate for the whole query, and for the best of its clauses, None where it has none."""
        marks, circumstances = evidence(table)
        by_text: Weights = np.einsum("tcm,tm->tc", marks, self.trust(circumstances))
        return by_text[0], by_text[1:].max(axis=0) if len(by_text) > 1 else None


@cache
def shipped() -> LearntMix:
    """The weights that come with this version."""
    return mix_of(_FILE.read_text(encoding="utf-8"))


def mix_of(document: str) -> LearntMix:
    """Raises ValueError when the document was made for other marks or circumstances than these."""
    kept = json.loads(document)
    if (tuple(kept["marks"]), tuple(kept["circumstances"])) != (MARKS, CIRCUMSTANCES):
        raise ValueError("The learnt mix is for other marks; run `python -m benchmarks.learn_mix`.")
    return LearntMix(*(np.array(kept[name], np.float64) for name in ("whole", "clause", "mean", "scale")))

"""What one query asked of the engine and what came back, and the same as arrays.

Refuses to know: what a score is worth.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from index.ports import DenseLeg, Hit, Leg, Matrix, SparseLeg

SPARSE = "sparse"
"""The stage of the lexical leg; the dense ones are called like their fields."""

ADAPTED = "adapted"
"""The stage of the whole document and the query as the adapter moves it (index.ranking.adapter)."""


@dataclass(slots=True)
class Recall:
    """One query's texts (itself, then its clauses) and the legs they need, by (text number, stage)."""

    query: str
    texts: tuple[str, ...]
    legs: dict[tuple[int, str], Leg] = field(default_factory=dict)
    found: dict[tuple[int, str], list[Hit]] = field(default_factory=dict)
    exact: dict[str, Matrix] = field(default_factory=dict)  # stage -> shape (texts, tool_ids), where it was asked for

    @property
    def tool_ids(self) -> tuple[str, ...]:
        """Everything that any leg found, in the order of the ids."""
        return tuple(sorted({hit.tool_id for hits in self.found.values() for hit in hits}))


@dataclass(frozen=True, slots=True)
class Table:
    """Scores of every candidate with every text. `legs`: stage -> shape (texts, candidates)."""

    tool_ids: tuple[str, ...]
    legs: Mapping[str, Matrix]
    terms: tuple[int, ...]  # distinct terms of each text that the lexical leg asked for


def table(recall: Recall, stages: Sequence[str]) -> Table:
    """The candidates are what any leg found.

    Where a leg did not find a candidate, and was not rescored, it scores as the leg's last hit (it can be no better),
    or 0 where the leg was not asked or had room left.
    """
    tool_ids = recall.tool_ids
    column = {tool_id: at for at, tool_id in enumerate(tool_ids)}
    legs = {
        stage: recall.exact.get(stage, np.zeros((len(recall.texts), len(tool_ids)), np.float32)) for stage in stages
    }
    for (number, stage), hits in recall.found.items():
        if stage not in stages or stage in recall.exact:
            continue
        leg = recall.legs[number, stage]
        if isinstance(leg, DenseLeg) or len(hits) == leg.limit:
            legs[stage][number] = min((hit.score for hit in hits), default=0.0)
        legs[stage][number, [column[hit.tool_id] for hit in hits]] = [hit.score for hit in hits]
    return Table(
        tool_ids, legs, tuple(_terms(recall.legs.get((number, SPARSE))) for number in range(len(recall.texts)))
    )


def _terms(leg: Leg | None) -> int:
    return len(leg.vector.indices) if isinstance(leg, SparseLeg) else 0

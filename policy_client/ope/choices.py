"""One logged choice of a tool among candidates: all that off-policy evaluation and bandit learning need."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from domain.trajectories import StepCandidate

Probabilities = npt.NDArray[np.float64]
"""Of one decision's candidates, shape (candidates,)."""


@dataclass(frozen=True, slots=True)
class Decision:
    """`chosen`: index into `candidates`. `reward`: None where nobody judged it; `propensity`: None where unknown."""

    query: str
    candidates: tuple[StepCandidate, ...]
    chosen: int
    propensity: float | None
    reward: float | None
    session: str | None = None
    index_version: str = ""

    @property
    def tool_id(self) -> str:
        return self.candidates[self.chosen].tool_id

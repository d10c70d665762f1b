"""What the scorer sees of a decision, as numbers: written once, for training and serving cannot differ then.

A decision has candidates, each with named numbers (`StepCandidate.stages` of the log), and numbers of its own
(`Step.context`). A name that is missing counts as 0, which is what every feature says when nothing is known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import itemgetter

import numpy as np
import numpy.typing as npt

from domain.canonical import sha256_hex

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]

CANDIDATE = (
    "retrieval",  # the search's score, standardised over the candidates
    "lead",  # by how much it is behind the best one
    "graph",  # log of the share that the transition graph gives it (papers 5, 23); also the prior of its logit
    "case",  # how well it did in the most similar case (paper 38), 0 to 1
    "success_rate",  # of its calls so far, 0 to 1 (papers 28, 35)
    "latency",  # log1p of its median seconds
    "price",  # of a call
    "health",  # +1 its server seems well, -1 ill, 0 unknown (paper 40)
    "called",  # times in this session, log1p
    "failed",  # of these, log1p
)
CONTEXT = (
    "need",  # log odds that a tool is still needed
    "calls",  # of this session, log1p
    "failures",  # of these, log1p
    "last_ok",
    "last_failed",
    "last_useful",  # 1 if what came back seemed to help
    "budget_left",  # share of the calls allowed, 1 where there is no bound
    "searches",  # of this session, log1p
    "held",  # share of the memory's limit in use
)

SCHEMA = sha256_hex("\n".join([*CANDIDATE, "", *CONTEXT]))[:16]
"""Names what a policy was trained on; one with another schema is not loaded."""

_all_of = itemgetter(*CANDIDATE)

META = ("answer", "search", "stop")
"""The actions that name no candidate; the scorer's logits are these, then a call of each, then a removal of each."""


def encode(
    candidates: Sequence[Mapping[str, float]], context: Mapping[str, float], slots: int
) -> tuple[Floats, Floats, Bools]:
    """Shapes (slots, len(CANDIDATE)), (len(CONTEXT),), and (slots,): which are filled. At most `slots` are seen."""
    table = np.zeros((slots, len(CANDIDATE)), np.float32)
    there = np.zeros(slots, np.bool_)
    if rows := [_row(stages) for stages in candidates[:slots]]:
        table[: len(rows)] = rows
        there[: len(rows)] = True
    return table, np.array([context.get(name, 0.0) for name in CONTEXT], np.float32), there


def _row(stages: Mapping[str, float]) -> Sequence[float]:
    """What is missing is 0; a candidate that has everything is read in one step."""
    try:
        row: Sequence[float] = _all_of(stages)
    except KeyError:
        return [stages.get(name, 0.0) for name in CANDIDATE]
    return row

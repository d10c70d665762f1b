"""Siblings among a scorer's decisions: two actions in one state, of which one led to success and the other did not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from domain.errors import InvalidInput
from rl.data.scorer_steps import Ints, ScorerSteps

STATE, CHOSEN, REJECTED = range(3)
"""Columns of the pairs: a row of the steps that shows the state, and two actions."""


def sibling_pairs(steps: ScorerSteps, success: npt.NDArray[np.float64]) -> Ints:
    """Shape (pairs, 3). `success`, shape (sessions,): 1 where a session was judged a success, 0 where not, nan where
    nobody judged it. An action is chosen if every session behind it succeeded, rejected if none did (paper 2).

    Equal numbers are one state: where the log branched, and where a task began again. Raises InvalidInput where there
    is no pair.
    """
    made = [pair for rows in _states(steps).values() for pair in _pairs(steps, rows, success)]
    if not made:
        raise InvalidInput(
            "The log has no state in which one action led to success and another did not, so there are no pairs to "
            "learn from; log several sessions of a task, or train with --set method=gradient."
        )
    return np.array(made, np.int64)


def _states(steps: ScorerSteps) -> Mapping[bytes, list[int]]:
    found: dict[bytes, list[int]] = defaultdict(list)
    for row in range(len(steps)):
        seen = (steps.candidates[row], steps.context[row], steps.there[row])
        found[b"".join(part.tobytes() for part in seen)].append(row)
    return found


def _pairs(steps: ScorerSteps, rows: Sequence[int], success: npt.NDArray[np.float64]) -> Iterator[tuple[int, int, int]]:
    led: dict[int, list[float]] = defaultdict(list)
    for row in rows:
        judged = float(success[steps.session[row]])
        if not np.isnan(judged):
            led[int(steps.action[row])].append(judged)
    won = [action for action, judged in led.items() if min(judged) >= 1.0]
    lost = [action for action, judged in led.items() if max(judged) <= 0.0]
    yield from ((rows[0], chosen, rejected) for chosen in won for rejected in lost)

"""The estimators by name. A further one is a file and a row."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from domain.errors import InvalidInput
from rl.advantages.fork import Fork
from rl.advantages.rollouts import Array, Rollouts
from rl.advantages.toolpo import toolpo
from rl.advantages.turn import turn
from rl.advantages.whole import grpo, hdpo, loo

Estimator = Callable[[Rollouts], Array]

ESTIMATORS: Mapping[str, Estimator] = {
    "grpo": grpo,
    "loo": loo,
    "hdpo": hdpo,
    "turn": turn,
    "fork": Fork(),
    "toolpo": toolpo,
}


def estimator_named(name: str) -> Estimator:
    """Raises InvalidInput, naming the known ones."""
    found = ESTIMATORS.get(name)
    if found is None:
        raise InvalidInput(f"No advantage estimator is called {name!r}; there are {', '.join(ESTIMATORS)}.")
    return found

"""The parameters of the simulated family, and which of their combinations are trained on and which tested (paper 9)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from domain.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Instance:
    """One tool room."""

    failure_rate: float = 0.1  # of calls to a server that is well
    latency_tail: float = 0.5  # sigma of the lognormal latency
    price: float = 0.03  # median price of a call, in units of utility
    distractors: int = 4  # tools that look like the right one, run, and do not help
    catalogue: int = 200  # tools in all
    budget: int = 6  # calls of an episode
    drift: float = 0.05  # probability of a server to fall ill or get well, per step

    def __post_init__(self) -> None:
        if not (0 <= self.failure_rate < 1 and 0 <= self.drift <= 1 and self.latency_tail >= 0 and self.price >= 0):
            raise InvalidInput("Rates of a tool room lie between 0 and 1, prices and tails are not below 0.")
        if not (0 <= self.distractors <= MOST_DISTRACTORS and self.catalogue >= 1 and self.budget >= 1):
            raise InvalidInput(f"A tool room has a tool, a call to spend and at most {MOST_DISTRACTORS} distractors.")


MOST_DISTRACTORS = 8

LEVELS: Mapping[str, Sequence[float]] = {
    "failure_rate": (0.02, 0.1, 0.2, 0.35),
    "latency_tail": (0.2, 0.5, 0.8, 1.2),
    "price": (0.01, 0.03, 0.06, 0.1),
    "distractors": (1, 3, 5, 8),
    "catalogue": (30, 200, 1000, 5000),
    "budget": (3, 4, 6, 8),
    "drift": (0.0, 0.05, 0.1, 0.2),
}


def instances(count: int, seed: int, *, held_out: bool) -> list[Instance]:
    """Different ones, drawn from the grid of LEVELS like fields of one colour of a chessboard.

    Training sees combinations whose levels' numbers sum to an even number, testing the others: every held-out instance
    differs from every trained one, and lies among them.
    """
    chance = np.random.default_rng(seed)
    found: dict[Instance, None] = {}
    while len(found) < count:
        places = chance.integers(0, 4, len(LEVELS))
        if places.sum() % 2 == held_out:
            found[_instance(places.tolist())] = None
    return list(found)


def _instance(places: Sequence[int]) -> Instance:
    values = {name: levels[place] for (name, levels), place in zip(LEVELS.items(), places, strict=True)}
    whole = {"distractors", "catalogue", "budget"}
    return Instance(**{name: int(value) if name in whole else value for name, value in values.items()})  # type: ignore[arg-type]


def described(instance: Instance) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in asdict(instance).items())

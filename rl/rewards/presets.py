"""Weights, gates and schedules over the components; a preset per paper (row numbers of the literature table)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from domain.errors import InvalidInput
from rl.rewards.components import COMPONENTS, Array, Component
from rl.rewards.episode import Episode
from rl.rewards.preference import Preference

Schedule = Callable[[int], float]
"""Training step -> factor of a weight."""


def always(_step: int) -> float:
    return 1.0


@dataclass(frozen=True, slots=True)
class Cosine:
    """From `start` to `end` over `steps` along half a cosine, then `end` (paper 43)."""

    start: float
    end: float
    steps: int

    def __call__(self, step: int) -> float:
        done = min(step / self.steps, 1.0)
        return self.end + (self.start - self.end) * (1 + math.cos(math.pi * done)) / 2


@dataclass(frozen=True, slots=True)
class Term:
    """One component of a reward. `gate`: the components it is multiplied by, None where one of them is."""

    component: str
    weight: float = 1.0
    gate: tuple[str, ...] = ()
    schedule: Schedule = always


@dataclass(frozen=True, slots=True)
class RewardVector:
    """`values`: component -> (n,), nan where it does not apply, gated and not yet weighed. `weights`: of this step."""

    values: Mapping[str, Array]
    weights: Mapping[str, float]

    def total(self) -> Array:
        """Shape (n,): the weighted sum over what applies; nan where nothing does."""
        rows = np.stack([self.weights[name] * value for name, value in self.values.items()])
        return np.where(np.isnan(rows).all(axis=0), np.nan, np.nansum(rows, axis=0))


@dataclass(frozen=True, slots=True)
class Preset:
    """Terms by the name under which they are stored. `floor`: what a badly formed episode gets in all (paper 19)."""

    name: str
    paper: int
    terms: Mapping[str, Term]
    floor: float | None = None
    components: Mapping[str, Component] = field(default_factory=lambda: COMPONENTS)

    def __call__(self, episodes: Sequence[Episode], step: int = 0) -> RewardVector:
        known: dict[str, Array] = {}

        def value(name: str) -> Array:
            if name not in known:
                known[name] = self.components[name](episodes)
            return known[name]

        values = {name: math.prod([value(part) for part in (term.component, *term.gate)], start=np.ones(len(episodes)))
                  for name, term in self.terms.items()}  # fmt: skip
        if self.floor is not None:
            broken = np.array([not episode.well_formed for episode in episodes])
            first = next(iter(values))
            values = {n: np.where(broken, self.floor if n == first else 0.0, v) for n, v in values.items()}
        return RewardVector(values, {name: term.weight * term.schedule(step) for name, term in self.terms.items()})


def with_preference(preference: Preference) -> Preset:
    """Paper 18 for what one user prefers; badly formed episodes get nothing."""
    components: dict[str, Component] = {**COMPONENTS, "preference": preference}
    return Preset("orchestra", 18, {"preference": Term("preference", gate=("format",))}, components=components)


PRESETS: Mapping[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset("otc", 4, {"outcome": Term("outcome", gate=("otc",))}),
        # Inspired by paper 12: format gates everything; its best of the weights tried was 2 : 1.
        Preset("adareasoner", 12, {
            "outcome": Term("outcome", 1.0, gate=("format",)),
            "tools": Term("tool_credit", 2.0, gate=("format",)),
        }),
        Preset("hdpo", 17, {
            "outcome": Term("outcome", 0.9),
            "format": Term("format", 0.1),
            "efficiency": Term("efficiency", 0.15),
        }),
        with_preference(Preference(outcome=1.0, cost=0.3, latency=0.3)),
        # Paper 19 adds .1 for using several kinds of tools; off here, for it pays for calls that nothing needed.
        Preset("toolstar", 19, {"outcome": Term("outcome")}, floor=-1.0),
        # The bonus of calling is paid early and fades over 100 steps.
        Preset("spear", 43, {
            "outcome": Term("outcome"),
            "executed": Term("executed", 0.5, schedule=Cosine(1.0, 0.0, 100)),
            "format": Term("format", 0.1),
        }),
    )
}  # fmt: skip


def preset_named(name: str) -> Preset:
    """Raises InvalidInput, naming the known ones."""
    if name not in PRESETS:
        raise InvalidInput(f"No reward preset is called {name!r}; there are {', '.join(PRESETS)}.")
    return PRESETS[name]

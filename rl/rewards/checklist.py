"""Checklists (papers 15 and 20): what an episode should show, as predicates over its log.

An item names the steps it is about and what one of them must look like. Once passed it stays passed and is not paid for
again. The score of a step is the sum of the weights that it was first to earn, of all weights.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from domain.errors import InvalidInput
from rl.rewards.components import Array
from rl.rewards.episode import Episode


@dataclass(frozen=True, slots=True)
class Item:
    """`where`: key of a step's JSON (dots lead inside) -> a regular expression that its text matches whole.

    `after`: ids of items that must be passed before this one counts.
    """

    id: str
    where: Mapping[str, str]
    weight: float = 1.0
    after: tuple[str, ...] = ()

    def passes(self, step: Mapping[str, Any]) -> bool:
        return all(re.fullmatch(pattern, _text(step, key)) for key, pattern in self.where.items())


@dataclass(frozen=True, slots=True)
class Checklist:
    """Items of a task, or of a class of tools (the prototypes of paper 20)."""

    items: tuple[Item, ...] = field(default=())

    def __post_init__(self) -> None:
        known: set[str] = set()
        for item in self.items:
            missing = set(item.after) - known
            if item.id in known or missing:
                what = (
                    f"waits for {', '.join(sorted(missing))}, which does not come before it"
                    if missing
                    else "occurs twice"
                )
                raise InvalidInput(f"Checklist item {item.id!r} {what}.")
            known.add(item.id)

    def steps(self, log: Sequence[Mapping[str, Any]]) -> Array:
        """Shape (steps,): what each step earned, as a share of all there is to earn."""
        whole = sum(item.weight for item in self.items)
        passed: set[str] = set()
        earned = np.zeros(len(log))
        for place, step in enumerate(log):
            for item in self.items:
                if item.id not in passed and passed.issuperset(item.after) and item.passes(step):
                    passed.add(item.id)
                    earned[place] += item.weight / whole
        return earned

    def __call__(self, episodes: Sequence[Episode]) -> Array:
        """Shape (n,): the share that was earned in all; None where there is no log or nothing to check."""
        return np.array([self.steps(one.log).sum() if one.log and self.items else np.nan for one in episodes])


def _text(step: Mapping[str, Any], key: str) -> str:
    value: Any = step
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return "" if value is None else str(value)

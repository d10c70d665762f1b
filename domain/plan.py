"""A plan: calls that an agent wants made, and which need the result of which. Pure. After TPS-Bench (paper 41).

What a call needs is said by its client: by `after`, or by a reference in its arguments, `{"$result": ID, "path":
"/content/0/text"}`, that stands for what an earlier call answered (the path is a JSON pointer, RFC 6901).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from typing import Any

from domain.errors import InvalidInput

MOST_STEPS = 64
REFERENCE = "$result"


@dataclass(frozen=True, slots=True)
class PlanStep:
    """One call. `tool`: as in a call by itself."""

    id: str
    tool: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    after: tuple[str, ...] = ()

    @property
    def needs(self) -> frozenset[str]:
        """Ids of the steps that have to be answered before."""
        return frozenset((*self.after, *_references(self.arguments)))

    def filled(self, results: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
        """The arguments with what the results say in the place of the references. Raises InvalidInput."""
        filled: Mapping[str, Any] = _filled(self.arguments, results)
        return filled


@dataclass(frozen=True)
class Plan:
    """Raises InvalidInput where ids are shared or unknown, steps wait for each other, or there are none or too many."""

    steps: tuple[PlanStep, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.steps) <= MOST_STEPS:
            raise InvalidInput(f"A plan has 1 to {MOST_STEPS} steps, not {len(self.steps)}; cut it into several.")
        ids = {step.id for step in self.steps}
        if len(ids) < len(self.steps):
            raise InvalidInput("Two steps of the plan have the same id; give each one of its own.")
        for step in self.steps:
            if unknown := sorted(step.needs - ids):
                raise InvalidInput(f"Step {step.id!r} needs {', '.join(unknown)}, which the plan does not have.")
        try:
            TopologicalSorter(self.needs).prepare()
        except CycleError as error:
            raise InvalidInput(f"Steps of the plan wait for each other: {' -> '.join(error.args[1])}.") from None

    @cached_property
    def needs(self) -> dict[str, frozenset[str]]:
        return {step.id: step.needs for step in self.steps}

    @cached_property
    def order(self) -> tuple[str, ...]:
        """Ids, each after what it needs."""
        return tuple(TopologicalSorter(self.needs).static_order())


def critical_path(plan: Plan, seconds: Mapping[str, float]) -> float:
    """No schedule is done sooner, however many calls may run at once."""
    ends: dict[str, float] = {}
    for step in plan.order:
        ends[step] = seconds[step] + max((ends[before] for before in plan.needs[step]), default=0.0)
    return max(ends.values())


def urgency(plan: Plan, seconds: Mapping[str, float]) -> dict[str, float]:
    """Of each step, the longest way from its beginning to the plan's end (upward rank, Topcuoglu et al. 2002)."""
    ranks = dict.fromkeys(plan.order, 0.0)
    for step in reversed(plan.order):
        ranks[step] += seconds[step]
        for before in plan.needs[step]:
            ranks[before] = max(ranks[before], ranks[step])
    return ranks


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        if REFERENCE in value:
            yield str(value[REFERENCE])
        else:
            for inner in value.values():
                yield from _references(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _references(inner)


def _filled(value: Any, results: Mapping[str, Mapping[str, Any]]) -> Any:
    if isinstance(value, Mapping):
        if REFERENCE in value:
            step, path = str(value[REFERENCE]), str(value.get("path", "/content/0/text"))
            return _at(results[step], path, step)
        return {name: _filled(inner, results) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_filled(inner, results) for inner in value]
    return value


def _at(result: Any, path: str, step: str) -> Any:
    for part in path.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        try:
            result = result[int(name)] if isinstance(result, list) else result[name]
        except (KeyError, IndexError, ValueError, TypeError):
            raise InvalidInput(f"The result of step {step!r} has nothing at {path!r}.") from None
    return result

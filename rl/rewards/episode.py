"""What a reward looks at: one episode, whoever played it and wherever it was logged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Call:
    """One tool call. `useful`: it solved a sub-task, None where nobody knows. `price`: in any one currency."""

    tool_id: str
    valid: bool = True  # its arguments fit the tool's schema
    executed: bool = True  # the tool answered, and not with an error
    useful: bool | None = None
    price: float = 0.0
    latency_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Episode:
    """A whole rollout. `task`: equal for rollouts that are compared with each other.

    `success`: None where nobody judged it. `needed`: sub-tasks of the task, `solved` of them were. `gold_nll`: -log of
    the probability that retrieval gave the gold tool, after each search. `log`: its steps as JSON, for checklists.
    """

    task: str
    calls: tuple[Call, ...] = ()
    success: bool | None = None
    well_formed: bool = True
    needed: int | None = None
    solved: int | None = None
    gold_nll: tuple[float, ...] = ()
    log: tuple[Mapping[str, Any], ...] = field(default=())

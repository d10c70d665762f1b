"""What the event log keeps of a tenant, how much and for how long. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Any, Self

from domain.errors import InvalidInput

DAY_S = 24 * 3600.0
MOST_EXPLORATION = 0.5


class QueryText(StrEnum):
    """What is kept of the words of a query."""

    FULL = "full"
    MASKED = "masked"  # without the values in it, and nothing of one that holds a secret
    NONE = "none"  # a hash, by which equal queries can be told


@dataclass(frozen=True, slots=True)
class LogRules:
    """The rules of one tenant. Raises InvalidInput for what is no rule."""

    retention_days: float = 90.0
    max_events: int = 1_000_000
    queries: QueryText = QueryText.FULL
    arguments: bool = False  # whether the values of arguments are kept; their hash always is
    exploration: float = 0.0  # probability that a search shows one further tool, drawn at random
    first_place: float = 0.0  # probability that the first of the tools that a search shows is drawn among them

    def __post_init__(self) -> None:
        if not (math.isfinite(self.retention_days) and self.retention_days > 0):
            raise InvalidInput(f"The log is kept for a number of days above 0, not {self.retention_days}.")
        if self.max_events < 1:
            raise InvalidInput(f"The log holds at least 1 event, not {self.max_events}.")
        for name, share in (("Exploration", self.exploration), ("A drawn first place", self.first_place)):
            if not 0 <= share <= MOST_EXPLORATION:
                raise InvalidInput(f"{name} is a probability between 0 and {MOST_EXPLORATION}, not {share}.")

    @property
    def retention_s(self) -> float:
        return self.retention_days * DAY_S

    def with_changes(self, changes: Mapping[str, Any]) -> Self:
        """These rules with some replaced; names that are no rule are ignored: a newer version may have stored them."""
        known = {one.name for one in fields(self)}
        given = {name: value for name, value in changes.items() if name in known and value is not None}
        if "queries" in given:
            given["queries"] = QueryText(given["queries"])
        return replace(self, **given)

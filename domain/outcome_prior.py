"""How much the outcomes of a tool's calls count when tools are ranked: decayed, bounded below, and never a verdict.

A tool's success is estimated with a prior, so that a few calls say little; what happened long ago counts ever less; and
however badly a tool did, its score keeps a floor's share of itself and its place in the answer. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from domain.events import Event, EventKind, Outcome

HALF_LIFE_S = 7 * 24 * 3600.0
"""After which a call counts half."""

FLOOR = 0.5
"""Least factor of a score: at worst a tool ranks as one that retrieval found half as fitting."""

PRIOR = (9.0, 1.0)
"""Successes and failures that every tool is credited with: tools work, as a rule."""

ABANDONED = 0.1
"""What it counts as a failure when a session searched, was shown the tool first, and called another one."""

_FAILED = frozenset({Outcome.TOOL_ERROR, Outcome.INVALID_ARGUMENTS, Outcome.TIMEOUT, Outcome.UPSTREAM_ERROR})


@dataclass(frozen=True, slots=True)
class Tally:
    """Of one tool, worth what it says at `at`."""

    succeeded: float = 0.0
    failed: float = 0.0
    abandoned: float = 0.0  # as failures
    at: float = 0.0

    def at_time(self, now: float) -> Tally:
        share = 0.5 ** (max(0.0, now - self.at) / HALF_LIFE_S)
        return Tally(self.succeeded * share, self.failed * share, self.abandoned * share, max(now, self.at))

    @property
    def success(self) -> float:
        """Between 0 and 1; of a tool without calls the prior's."""
        good, bad = PRIOR
        tried = self.succeeded + self.failed + self.abandoned + good + bad
        return (self.succeeded + good) / tried

    @property
    def factor(self) -> float:
        """What a score is multiplied by: 1 at the prior's success and above, FLOOR where nothing succeeds."""
        usual = PRIOR[0] / sum(PRIOR)
        return FLOOR + (1 - FLOOR) * min(1.0, self.success / usual)


@dataclass(slots=True)
class OutcomeCounts:
    """Since the start: rankings looked at, and those whose order changed."""

    asked: int = 0
    changed: int = 0


@dataclass(slots=True)
class Outcomes:
    """Of one tenant, folded from its log. A `reset` event forgets what came before it."""

    _tallies: dict[str, Tally] = field(default_factory=dict)
    _first: dict[str, str] = field(default_factory=dict)  # session -> the tool that its newest search showed first

    def take(self, event: Event) -> None:
        if event.kind is EventKind.RESET:
            self._forget(event.body.get("tools"))
        elif event.kind is EventKind.SEARCH and event.session_id is not None:
            shown = [answer["shown"][0] for answer in event.body.get("answers", ()) if answer.get("shown")]
            self._first[event.session_id] = shown[0] if len(shown) == 1 else ""
            if len(self._first) > _MOST_SESSIONS:
                self._first.pop(next(iter(self._first)))
        elif event.kind is EventKind.CALL and event.body.get("server") is not None:
            self._call(event, str(event.body["tool_id"]))

    def factor(self, tool_id: str, now: float) -> float:
        known = self._tallies.get(tool_id)
        return 1.0 if known is None else known.at_time(now).factor

    def tallies(self, now: float) -> Mapping[str, Tally]:
        """By tool id."""
        return {tool_id: tally.at_time(now) for tool_id, tally in self._tallies.items()}

    def _call(self, event: Event, tool_id: str) -> None:
        for name, change in self._changes(event, tool_id):
            before = self._tallies.get(name, Tally(at=event.at)).at_time(event.at)
            self._tallies[name] = replace(
                before, **{what: getattr(before, what) + amount for what, amount in change.items()}
            )

    def _changes(self, event: Event, tool_id: str) -> Iterator[tuple[str, Mapping[str, float]]]:
        if event.outcome is Outcome.OK:
            yield tool_id, {"succeeded": 1.0}
        elif event.outcome in _FAILED:
            yield tool_id, {"failed": 1.0}
        passed_over = self._first.pop(event.session_id or "", "")
        if passed_over and passed_over != tool_id and event.outcome is Outcome.OK:
            yield passed_over, {"abandoned": ABANDONED}

    def _forget(self, tools: object) -> None:
        if isinstance(tools, list | tuple):
            for tool_id in tools:
                self._tallies.pop(tool_id, None)
        else:
            self._tallies.clear()
            self._first.clear()


_MOST_SESSIONS = 10_000

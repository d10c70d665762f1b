"""What the sessions of this process have done so far, as a policy looks at it: kept in memory, fed by the journal.

A session that another gateway served before begins here with nothing; a policy then decides by the request alone.
"""

from __future__ import annotations

import math
from collections import Counter, OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

from domain.events import Event, EventKind, Outcome

MOST = 10_000
"""Sessions remembered; the one that was longest not heard of goes first."""

NEWEST = 8
"""Calls kept of each, with their outcome."""


@dataclass(slots=True)
class Situation:
    """Of one session. `calls`: the newest, tool id and outcome, the newest last."""

    calls: tuple[tuple[str, str], ...] = ()
    called: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    searches: int = 0
    said: tuple[str, ...] = ()  # the newest search's queries
    is_fresh: bool = False  # whether they were first searched for after the newest call

    def is_new(self, query: str) -> bool:
        """Whether nothing was called yet for this query."""
        return self.is_fresh or query not in self.said

    @property
    def context(self) -> Mapping[str, float]:
        """The scorer's numbers (policy_client.scorer_features.CONTEXT) that a session's calls say."""
        last = self.calls[-1][1] if self.calls else ""
        return {
            "calls": math.log1p(self.called.total()),
            "failures": math.log1p(self.failed.total()),
            "last_ok": float(last == Outcome.OK),
            "last_failed": float(bool(last) and last != Outcome.OK),
            "searches": math.log1p(self.searches),
        }


class Situations:
    """Of all sessions, by tenant and handle."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str], Situation] = OrderedDict()

    def of(self, tenant: str, session_id: str | None) -> Situation:
        """A new one where nothing is known."""
        return self._known.get((tenant, session_id or ""), Situation())

    def take(self, event: Event) -> None:
        """Take in what a session did; other events say nothing here."""
        if event.session_id is None or event.kind not in {EventKind.SEARCH, EventKind.CALL}:
            return
        key = (event.tenant, event.session_id)
        situation = self._known.setdefault(key, Situation())
        self._known.move_to_end(key)
        if event.kind is EventKind.SEARCH:
            situation.searches += 1
            said = tuple(str(answer["query"]) for answer in event.body.get("answers", ()))
            situation.is_fresh = situation.is_fresh or said != situation.said
            situation.said = said
        else:
            tool_id = str(event.body["tool_id"])
            situation.is_fresh = False
            situation.calls = (*situation.calls, (tool_id, event.outcome.value))[-NEWEST:]
            situation.called[tool_id] += 1
            situation.failed[tool_id] += event.outcome is not Outcome.OK
        if len(self._known) > MOST:
            self._known.popitem(last=False)

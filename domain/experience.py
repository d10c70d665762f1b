"""What the event log says of a tenant's tools: how their calls ended, and which of them worked for which need.

A pure fold: the same events give the same answers. Tool records are those of DeepAgent's tool memory (success rate,
common errors), counted instead of written by a model; cases are Memento's one-step ones (a need, the tool that was
called for it, how that ended), found again by the words they share with a new need.
"""

from __future__ import annotations

import math
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field

from domain.events import Event, EventKind, Outcome
from domain.memory_order import evidence_in
from domain.restart import Attempt, End

MAX_CASES = 5000
"""Needs kept of a tenant; the one that was longest not met again goes first."""

MAX_SESSIONS = 10_000
"""Sessions whose last searches are remembered until a call follows."""

MAX_ATTEMPTS = 256
"""Latencies kept of a tool, from which its timeout is chosen."""

NEAREST = 4
"""Cases that have a say (Memento found K = 4 best)."""

LIKE_ENOUGH = 0.5
"""Likeness from which a case has a say: 1 is the same words, 0 none in common."""

MOST_OFFERS = 2
_FAILED = frozenset({Outcome.TOOL_ERROR, Outcome.INVALID_ARGUMENTS, Outcome.TIMEOUT, Outcome.UPSTREAM_ERROR})
_COMMON_ERRORS = 3

Redact = Callable[[str], str | None]
"""A query without the values in it; None where nothing of it may be remembered."""


@dataclass(slots=True)
class ToolRecord:
    """How a tool's calls ended. Milliseconds are of all calls together."""

    calls: int = 0
    succeeded: int = 0
    errors: Counter[str] = field(default_factory=Counter)  # outcome, or the error's code where there is one
    latency_ms: float = 0.0
    last_at: float = 0.0
    attempts: deque[Attempt] = field(default_factory=lambda: deque(maxlen=MAX_ATTEMPTS))  # the latest

    @property
    def success_rate(self) -> float:
        return self.succeeded / self.calls if self.calls else 0.0

    @property
    def common_errors(self) -> list[tuple[str, int]]:
        """The most frequent first, equals by name."""
        return sorted(self.errors.items(), key=lambda item: (-item[1], item[0]))[:_COMMON_ERRORS]


@dataclass(frozen=True, slots=True)
class Offer:
    """A tool that worked for needs like this one, `worked` of `tried` times."""

    tool_id: str
    worked: int
    tried: int
    likeness: float

    @property
    def value(self) -> float:
        """Likeness times the share that worked, which one single success does not make certain."""
        return self.likeness * (self.worked + 1) / (self.tried + 2)


@dataclass(slots=True)
class _Case:
    terms: frozenset[str]
    worked: Counter[str] = field(default_factory=Counter)  # by tool
    tried: Counter[str] = field(default_factory=Counter)


class Experience:
    """One tenant's. Events come in the order of the log."""

    def __init__(self, redact: Redact) -> None:
        self._redact = redact
        self._records: dict[str, ToolRecord] = {}
        self._cases: OrderedDict[str, _Case] = OrderedDict()
        self._with_term: dict[str, set[str]] = {}
        self._shown: OrderedDict[str, dict[str, str]] = OrderedDict()  # session -> tool -> the query that showed it

    @property
    def records(self) -> dict[str, ToolRecord]:
        """By tool id."""
        return self._records

    def take(self, event: Event) -> None:
        """Fold one event in; most kinds say nothing here."""
        if event.kind is EventKind.SEARCH and event.session_id is not None:
            self._search(event, event.session_id)
        elif event.kind is EventKind.CALL and event.outcome in {Outcome.OK, *_FAILED}:
            self._call(event)

    def offers(self, query: str) -> list[Offer]:
        """What worked for needs like this one, the best first; nothing that failed more often than it worked."""
        worked: Counter[str] = Counter()
        tried: Counter[str] = Counter()
        likeness: dict[str, float] = {}
        for like, case in self._nearest(_terms(query)):
            worked.update(case.worked)
            tried.update(case.tried)
            for tool_id in case.tried:
                likeness[tool_id] = max(like, likeness.get(tool_id, 0.0))
        found = [Offer(tool_id, worked[tool_id], tried[tool_id], likeness[tool_id]) for tool_id in tried]
        good = [offer for offer in found if 2 * offer.worked >= offer.tried]
        return sorted(good, key=lambda offer: (-offer.value, offer.tool_id))[:MOST_OFFERS]

    def _search(self, event: Event, session_id: str) -> None:
        shown = self._shown.setdefault(session_id, {})
        self._shown.move_to_end(session_id)
        for answer in event.body.get("answers", ()):
            for tool_id in answer.get("shown", ()):
                shown[tool_id] = answer["query"]
        if len(self._shown) > MAX_SESSIONS:
            self._shown.popitem(last=False)

    def _call(self, event: Event) -> None:
        tool_id = str(event.body.get("tool_id"))
        works = event.outcome is Outcome.OK
        record = self._records.setdefault(tool_id, ToolRecord())
        record.calls += 1
        record.succeeded += works
        record.latency_ms += event.latency_ms
        record.last_at = max(record.last_at, event.at)
        record.attempts.extend(_attempts(event))
        if not works:
            record.errors[str(event.body.get("error") or event.outcome.value)] += 1
        shown = self._shown.get(event.session_id or "", {})
        query = shown.pop(tool_id, None) if works else shown.get(tool_id)  # a need that was met counts once
        if query is not None and (need := self._redact(query)):
            self._remember(need.casefold(), tool_id, works=works)

    def _remember(self, need: str, tool_id: str, *, works: bool) -> None:
        case = self._cases.get(need)
        if case is None:
            case = self._cases[need] = _Case(_terms(need))
            for term in case.terms:
                self._with_term.setdefault(term, set()).add(need)
        self._cases.move_to_end(need)
        case.tried[tool_id] += 1
        case.worked[tool_id] += works
        if len(self._cases) > MAX_CASES:
            self._forget(*self._cases.popitem(last=False))

    def _forget(self, need: str, case: _Case) -> None:
        for term in case.terms:
            self._with_term[term].discard(need)
            if not self._with_term[term]:
                del self._with_term[term]

    def _nearest(self, terms: frozenset[str]) -> list[tuple[float, _Case]]:
        """The most similar cases: cosine of their terms, each weighed by how rare it is."""
        near = {need for term in terms for need in self._with_term.get(term, ())}
        scored = [(self._likeness(terms, self._cases[need].terms), need) for need in near]
        best = sorted((pair for pair in scored if pair[0] >= LIKE_ENOUGH), key=lambda pair: (-pair[0], pair[1]))
        return [(like, self._cases[need]) for like, need in best[:NEAREST]]

    def _likeness(self, one: Collection[str], other: Collection[str]) -> float:
        shared = sum(self._weights(term for term in one if term in other))
        length = math.sqrt(sum(self._weights(iter(one))) * sum(self._weights(iter(other))))
        return shared / length if length else 0.0

    def _weights(self, terms: Iterator[str]) -> Iterator[float]:
        for term in terms:
            yield (1.0 + math.log((1 + len(self._cases)) / (1 + len(self._with_term.get(term, ()))))) ** 2


def _attempts(event: Event) -> Iterator[Attempt]:
    """Those that were cut and repeated, where there were any, and the one that ended with the call."""
    cut = [float(seconds) for seconds in event.body.get("cut_s", ())]
    yield from (Attempt(seconds, End.CUT) for seconds in cut)
    last = max(0.0, event.latency_ms / 1e3 - sum(cut))
    yield Attempt(last, _ENDS.get(event.outcome, End.ANSWERED))


_ENDS = {Outcome.TIMEOUT: End.CUT, Outcome.UPSTREAM_ERROR: End.FAILED}


def _terms(text: str) -> frozenset[str]:
    """Its words without those that say nothing, and without the plural's s."""
    return frozenset(word.removesuffix("s") if not word.endswith("ss") else word for word in evidence_in([text]))

"""What the log says of how sessions went on, as the fast path learns it: at every call, what was known and what came.

Refuses to know: vectors. What retrieval gave each tool stands for what the user said.
"""

from __future__ import annotations

import sys
from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from domain.events import Event, EventKind
from policy_client.next_tool.situation import Example, Situation, ToolTable

MOST_SESSIONS = 500
"""Of a tenant, the latest."""

MOST_TOOLS = 500
"""That were called most; what is called once in a while is not what inertia is about."""

_MOST_CALLS = 24  # of one session

BEFORE = "before"
"""The stage that keeps what retrieval gave a tool that was put first."""

_SILENCE = np.zeros(1, dtype=np.float32)


@dataclass(frozen=True, slots=True)
class _Call:
    tool_id: str
    scores: Mapping[str, float]
    is_new: bool


@dataclass(slots=True)
class _Session:
    calls: list[_Call] = field(default_factory=list)
    scores: Mapping[str, float] = field(default_factory=dict)
    is_new: bool = False
    said: tuple[str, ...] = ()


class RecordedSteps:
    """Of one tenant."""

    def __init__(self) -> None:
        self._sessions: OrderedDict[str, _Session] = OrderedDict()
        self.calls = 0

    def take(self, event: Event) -> None:
        """Events come in the order of the log; those without a session say nothing here."""
        if event.session_id is None or event.kind not in {EventKind.SEARCH, EventKind.CALL}:
            return
        session = self._sessions.setdefault(event.session_id, _Session())
        self._sessions.move_to_end(event.session_id)
        if event.kind is EventKind.SEARCH:
            answers = event.body.get("answers", ())
            said = tuple(str(answer["query"]) for answer in answers)
            session.is_new = session.is_new or said != session.said
            session.said = said
            session.scores = {
                sys.intern(found["tool_id"]): found["stages"].get(BEFORE, found["score"])
                for answer in reversed(answers)
                for found in answer["candidates"]
            }
        elif len(session.calls) < _MOST_CALLS and event.body.get("server") is not None:
            session.calls.append(_Call(sys.intern(event.body["tool_id"]), session.scores, session.is_new))
            session.is_new = False
            self.calls += 1
        if len(self._sessions) > MOST_SESSIONS:
            self._sessions.popitem(last=False)

    def table(self, server_of: Mapping[str, str]) -> ToolTable:
        """The tools that were called and are served."""
        counts = Counter(call.tool_id for session in self._sessions.values() for call in session.calls)
        ids = tuple(sorted(tool for tool, _ in counts.most_common(MOST_TOOLS) if tool in server_of))
        servers = {slug: number for number, slug in enumerate(sorted({server_of[tool] for tool in ids}))}
        numbers = np.array([servers[server_of[tool]] for tool in ids], dtype=np.int64)
        return ToolTable(ids, np.zeros((len(ids), 1), dtype=np.float32), numbers)

    @property
    def called(self) -> set[str]:
        return {call.tool_id for session in self._sessions.values() for call in session.calls}

    def examples(self, tools: ToolTable) -> list[list[Example]]:
        """Per session; what was called and is no more is left out of it."""
        numbers = {tool_id: number for number, tool_id in enumerate(tools.ids)}
        made = []
        for session in self._sessions.values():
            calls = [call for call in session.calls if call.tool_id in numbers]
            history = [numbers[call.tool_id] for call in calls]
            made.append(
                [
                    Example(situation(tools, call.scores, history[:place], is_new=call.is_new), history[place])
                    for place, call in enumerate(calls)
                ]
            )
        return made


def situation(tools: ToolTable, scores: Mapping[str, float], history: Sequence[int], *, is_new: bool) -> Situation:
    """`scores`: what retrieval gave, by tool id."""
    retrieval = np.array([scores.get(tool_id, 0.0) for tool_id in tools.ids], dtype=np.float32)
    return Situation(_SILENCE, retrieval, tuple(history), is_new)

"""Reads sessions.jsonl of a folder in the data set form: what was called, in which order, for which words of a user."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domain.errors import InvalidInput
from index.evaluation.dataset import LabelledTool, read_rows, read_tools, required_text


@dataclass(frozen=True, slots=True)
class RecordedCall:
    """`query`: what the user said before it; None where the call goes on with what was said earlier. `ok`: None where
    nobody recorded whether it succeeded.
    """

    tool_id: str
    query: str | None = None
    ok: bool | None = None
    arguments: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class RecordedSession:
    """At least one call."""

    session_id: str
    split: str
    calls: tuple[RecordedCall, ...]


@dataclass(frozen=True, slots=True)
class RecordedSessions:
    """Tools and sessions of one folder."""

    name: str
    tools: tuple[LabelledTool, ...]
    sessions: tuple[RecordedSession, ...]

    def of(self, split: str) -> tuple[RecordedSession, ...]:
        """The sessions of every split whose name begins so."""
        return tuple(session for session in self.sessions if session.split.startswith(split))


def load_recorded_sessions(folder: Path) -> RecordedSessions:
    """Raises InvalidInput when the folder is no data set, has no sessions, or one calls a tool it does not have."""
    tools = read_tools(folder)
    known = {tool.tool_id for tool in tools}
    rows = read_rows(folder / "sessions.jsonl", lambda row: _session(row, known))
    sessions = tuple(session for session in rows if session.calls)
    if not sessions:
        raise InvalidInput(f"{folder / 'sessions.jsonl'} holds no sessions.")
    return RecordedSessions(folder.resolve().name, tools, sessions)


def _session(row: Mapping[str, Any], known: set[str]) -> RecordedSession:
    steps = row.get("steps")
    if not isinstance(steps, list):
        raise InvalidInput("`steps` is no list.")
    return RecordedSession(required_text(row, "session_id"), required_text(row, "split"), tuple(_calls(steps, known)))


def _calls(steps: Sequence[Any], known: set[str]) -> list[RecordedCall]:
    calls = []
    for step in steps:
        if not isinstance(step, dict):
            raise InvalidInput("a step is no JSON object.")
        tool_id, query, ok = required_text(step, "tool_id"), step.get("query"), step.get("ok")
        if tool_id not in known:
            raise InvalidInput(f"it calls {tool_id!r}, which is not in tools.jsonl.")
        if query is not None and not isinstance(query, str):
            raise InvalidInput("`query` of a step is neither text nor null.")
        if ok is not None and not isinstance(ok, bool):
            raise InvalidInput("`ok` of a step is neither true, false nor null.")
        arguments = step.get("args")
        calls.append(RecordedCall(tool_id, query or None, ok, arguments if isinstance(arguments, dict) else None))
    return calls

"""Public data sets as logs: recorded sessions and labelled queries in the form of an export.

Nobody knows with what probability the people or models of a data set chose, so their steps have no propensity.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from domain.canonical import canonical_json, sha256_hex
from domain.errors import InvalidInput
from domain.events import Actor, Outcome
from domain.trajectories import Step, StepKind, header, step_json
from index.evaluation.dataset import load_dataset
from index.evaluation.recorded_sessions import RecordedCall, RecordedSession, load_recorded_sessions


def convert(folder: Path, split: str = "train") -> list[Step]:
    """The sessions of every split whose name begins so; of a folder without sessions its labelled queries, one session
    each, whose gold tools were called and judged right. Raises InvalidInput.
    """
    steps = list(_sessions(folder, split) if (folder / "sessions.jsonl").exists() else _queries(folder, split))
    if not steps:
        raise InvalidInput(f"{folder} has nothing in a split that begins with {split!r}.")
    return steps


def write(steps: list[Step], source: str, target: Path) -> None:
    """As `toolcrib rl export` writes it. Raises InvalidInput when the file cannot be written."""
    rows = [header(source), *map(step_json, steps)]
    try:
        target.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    except OSError as error:
        raise InvalidInput(f"{target} cannot be written ({error.strerror}); name another file.") from error


def _sessions(folder: Path, split: str) -> Iterator[Step]:
    for session in load_recorded_sessions(folder).of(split):
        yield from _session(session)


def _session(session: RecordedSession) -> Iterator[Step]:
    last: str | None = None
    for number, call in enumerate(session.calls):
        made = _call(session.session_id, number, call, last)
        last = made.id
        yield made


def _call(session_id: str, number: int, call: RecordedCall, last: str | None) -> Step:
    arguments = call.arguments
    return Step(
        id=f"{session_id}#{number}",
        kind=StepKind.CALL,
        seq=number + 1,
        parent_id=last,
        session=session_id,
        actor=Actor.AGENT,
        queries=(call.query,) if call.query else (),
        action={"tool_id": call.tool_id, "server": None},
        outcome=Outcome.TOOL_ERROR if call.ok is False else Outcome.OK,
        arguments_hash=None if arguments is None else sha256_hex(canonical_json(arguments)),
        arguments=arguments,
    )


def _queries(folder: Path, split: str) -> Iterator[Step]:
    for number, query in enumerate(load_dataset(folder, split=split).queries):
        if query.is_server_level:
            continue
        session = f"query-{number}"
        calls = [RecordedCall(tool_id, query.text if not at else None) for at, tool_id in enumerate(query.gold)]
        steps = list(_session(RecordedSession(session, split, tuple(calls))))
        yield from steps
        for step in steps:
            judged = {"of": step.id, "success": 1.0, "checklist": {}}
            yield Step(
                f"{step.id}+", StepKind.FEEDBACK, session=session, parent_id=step.id, actor=Actor.PERSON, action=judged
            )

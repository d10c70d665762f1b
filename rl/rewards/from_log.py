"""Sessions of a log as the episodes that rewards look at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from domain.events import Outcome
from domain.trajectories import Step, StepKind, step_json
from rl.data.forest import judgements
from rl.rewards.episode import Call, Episode

_SECONDS = 1000.0


def episodes(steps: Sequence[Step], *, checked: bool = False) -> dict[str, Episode]:
    """Session -> episode, in the order of the log. Sessions that begin with the same words are the same task.

    `checked`: with the steps' JSON, which checklists read and others have no need for.
    """
    judged = judgements(steps)
    sessions: dict[str, list[Step]] = {}
    for step in steps:
        if step.kind is not StepKind.FEEDBACK:
            sessions.setdefault(step.session or step.id, []).append(step)
    return {session: _episode(own, judged, checked=checked) for session, own in sessions.items()}


def _episode(steps: Sequence[Step], judged: dict[str, float], *, checked: bool) -> Episode:
    said = [judged[step.id] for step in steps if step.id in judged]
    return Episode(
        task=_task(steps),
        calls=tuple(map(_call, (step for step in steps if step.kind is StepKind.CALL))),
        success=said[-1] >= _SUCCEEDED if said else None,
        log=tuple(map(step_json, steps)) if checked else (),
    )


_SUCCEEDED = 0.5
"""Judgements are 0 to 1; from here on one is a success."""


def _task(steps: Iterable[Step]) -> str:
    return next((" ".join(step.queries) for step in steps if step.queries), "")


def _call(step: Step) -> Call:
    return Call(
        tool_id=str(step.action.get("tool_id", "")),
        valid=step.outcome is not Outcome.INVALID_ARGUMENTS,
        executed=step.outcome in {Outcome.OK, Outcome.EMPTY},
        price=step.cost,
        latency_s=step.latency_ms / _SECONDS,
    )

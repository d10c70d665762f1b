"""Logged steps as the arrays that a scorer learns from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from domain.errors import InvalidInput
from domain.trajectories import Step, StepKind
from policy_client.scorer_features import CANDIDATE, CONTEXT, META, Bools, Floats, encode
from rl.data.forest import WORK

Ints = npt.NDArray[np.int64]

SLOTS = 30
"""Candidates of a step that are looked at: what the reranking of a search sees."""

GAVE_UP = "gave_up"
"""In the action of an answer: the agent stopped without one."""


@dataclass(frozen=True, slots=True)
class ScorerSteps:
    """n decisions of sessions, in the order of the log.

    Shapes: `candidates` (n, SLOTS, len(CANDIDATE)), `context` (n, len(CONTEXT)), `there` (n, SLOTS); `action` (n,), in
    the order of the scorer's logits; `behaviour` (n,), log of the propensity; `session` (n,), a number of each session;
    `place` (n,), of the step in its session.
    """

    candidates: Floats
    context: Floats
    there: Bools
    action: Ints
    behaviour: Floats
    session: Ints
    place: Ints
    sessions: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.action)


def scorer_steps(steps: Sequence[Step], slots: int = SLOTS) -> ScorerSteps:
    """Every decision that the scorer could have taken. Raises InvalidInput where propensities are missing, where there
    is none, and where all are the same action.
    """
    numbers: dict[str, int] = {}
    lengths: dict[int, int] = {}
    rows = []
    for step in steps:
        action = action_of(step, slots)
        if action is None:
            continue
        if step.propensity is None:
            raise InvalidInput(
                f"Step {step.id} has no propensity: an agent's own choices cannot be re-weighted. Train on decisions "
                "of the gateway or of a policy."
            )
        session = numbers.setdefault(step.session or step.id, len(numbers))
        place = lengths[session] = lengths.get(session, -1) + 1
        found = encode([candidate.stages for candidate in step.candidates], step.context, slots)
        rows.append((*found, action, np.log(step.propensity), session, place))
    return _arrays(rows, tuple(numbers), slots)


def action_of(step: Step, slots: int) -> int | None:
    """Its number among the scorer's logits; None for what the scorer does not decide or cannot see."""
    if step.kind is StepKind.ANSWER:
        return META.index("stop" if step.action.get(GAVE_UP) else "answer")
    if step.kind is StepKind.SEARCH:
        return META.index("search") if step.candidates else None
    if step.kind not in WORK:
        return None
    place = _place(step, slots)
    if place is None:
        return None
    return len(META) + place + (slots if step.kind is StepKind.REMOVAL else 0)


def _place(step: Step, slots: int) -> int | None:
    removed = step.action.get("removed") or [None]
    wanted = step.action.get("tool_id") if step.kind is StepKind.CALL else removed[0]
    places = [at for at, candidate in enumerate(step.candidates[:slots]) if candidate.tool_id == wanted]
    return places[0] if places else None


def _arrays(rows: Sequence[tuple[object, ...]], sessions: tuple[str, ...], slots: int) -> ScorerSteps:
    if not rows:
        raise InvalidInput("The log has no decision of a policy with its candidates; there is nothing to learn from.")
    table, context, there, action, behaviour, session, place = (np.array(column) for column in zip(*rows, strict=True))
    if len(np.unique(action)) == 1:
        raise InvalidInput(
            "Every decision of the log is the same action: from one action nothing can be told about others."
        )
    assert table.shape[1:] == (slots, len(CANDIDATE))
    assert context.shape[1:] == (len(CONTEXT),)
    return ScorerSteps(table, context, there, action, behaviour.astype(np.float32), session, place, sessions)


def returns(found: ScorerSteps, worth: Mapping[str, float]) -> Floats:
    """Shape (sessions,): what each was worth. Raises InvalidInput for one that nobody judged, or not finitely."""
    missing = [name for name in found.sessions if name not in worth]
    if missing:
        raise InvalidInput(
            f"{len(missing)} of {len(found.sessions)} sessions were not judged, {missing[0]} among them; judge them "
            "(POST /sessions/{id}/feedback) or leave them out."
        )
    values = np.array([worth[name] for name in found.sessions], np.float32)
    if not np.isfinite(values).all():
        raise InvalidInput("A session's reward is not a finite number; the verifier that made it is broken.")
    return values

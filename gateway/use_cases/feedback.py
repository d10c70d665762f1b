"""Feedback: how a step or a whole session turned out, as the agent, its user or a checker says. Goes into the log."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from domain.errors import InvalidInput, StepNotFound
from domain.events import Actor, Event, EventKind
from domain.identity import Principal
from gateway.event_log.journal import Journal
from gateway.use_cases.sessions import Sessions
from store.store import Store

MOST_ITEMS = 100
_NAME_CHARS = 200
_NOTE_CHARS = 2000


@dataclass(frozen=True, slots=True)
class Judgement:
    """`success`: 0 to 1. `checklist`: item -> passed, or None where it did not apply. `answered`: the agent answered
    its user. `step`: the `step` of a search or a call; None judges the session.
    """

    step: str | None = None
    success: float | None = None
    checklist: Mapping[str, bool | None] = field(default_factory=dict)
    answered: bool = False
    note: str = ""

    def __post_init__(self) -> None:
        if self.success is not None and not (math.isfinite(self.success) and 0 <= self.success <= 1):
            raise InvalidInput(f"`success` is a number from 0 to 1, not {self.success}.")
        if len(self.checklist) > MOST_ITEMS:
            raise InvalidInput(f"A checklist has at most {MOST_ITEMS} items, not {len(self.checklist)}.")
        if any(not name or len(name) > _NAME_CHARS for name in self.checklist):
            raise InvalidInput(f"An item of a checklist is named in 1 to {_NAME_CHARS} characters.")
        if len(self.note) > _NOTE_CHARS:
            raise InvalidInput(f"A note has at most {_NOTE_CHARS} characters, not {len(self.note)}.")


class Feedback:
    """Takes judgements of sessions that the caller may see."""

    def __init__(self, store: Store, sessions: Sessions, journal: Journal) -> None:
        self._store = store
        self._sessions = sessions
        self._journal = journal

    async def __call__(self, principal: Principal, session_id: str, said: Judgement) -> str:
        """The id of the last event that it became. Raises SessionNotFound, StepNotFound, InvalidInput, Unavailable."""
        await self._sessions.show(principal, session_id)
        if said.success is None and not said.checklist and not said.answered:
            raise InvalidInput("Feedback says at least one of `success`, `checklist` and `answered`.")
        if said.step is not None:
            await self._check(principal, session_id, said.step)
        judged = said.success is not None or bool(said.checklist)
        kinds = [EventKind.ANSWER] * said.answered + [EventKind.FEEDBACK] * judged
        return [self._journal.record(_event(principal, session_id, kind, said)).id for kind in kinds][-1]

    async def _check(self, principal: Principal, session_id: str, step: str) -> None:
        await self._journal.flush()
        found = await self._store.events.find(principal.tenant, step)
        if found is None or found.event.session_id != session_id:
            raise StepNotFound


def _event(principal: Principal, session_id: str, kind: EventKind, said: Judgement) -> Event:
    is_answer = kind is EventKind.ANSWER
    return Event(
        tenant=principal.tenant,
        subject=principal.subject,
        kind=kind,
        at=time.time(),
        session_id=session_id,
        body={} if is_answer else _body(said),
        actor=Actor.AGENT if is_answer else Actor.PERSON,
    )


def _body(said: Judgement) -> dict[str, object]:
    return {"of": said.step, "success": said.success, "checklist": dict(said.checklist), "note": said.note}

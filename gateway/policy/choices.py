"""What searches put first, and what came of it: the log as choices that a policy can be judged by.

A search of one query chose the tool that stood first. It earned 1 when that tool was what its session called next, and
the call succeeded; 0 when another tool was called, the call failed, or the session searched again without a call. What
is still open earns nothing yet. Pure: events in, choices out.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from domain.events import Event, EventKind, Outcome
from domain.trajectories import StepCandidate
from gateway.policy.first_place import DRAWN_BELOW, FIRST, NOTED
from policy_client.ope.choices import Decision

OPEN = 10_000
"""Sessions whose newest search is remembered."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One judged search. `decision`: None where the log says no probability of what stood first; its candidates are in
    the order in which retrieval had them. `by`: the version that ordered, empty for retrieval. `context`: numbers of
    the decision. `drawn`: chance put it first, nobody's opinion.
    """

    at: float
    session: str
    by: str
    reward: float
    drawn: bool
    decision: Decision | None = None
    context: Mapping[str, float] | None = None


class Choices:
    """Of one tenant; events in the order of the log."""

    def __init__(self) -> None:
        self._open: OrderedDict[str, Event] = OrderedDict()

    def take(self, event: Event) -> Choice | None:
        """The choice that this event judges."""
        session = event.session_id
        if session is None or event.kind not in {EventKind.SEARCH, EventKind.CALL}:
            return None
        search = self._open.pop(session, None)
        if event.kind is EventKind.SEARCH:
            self._open[session] = event
            if len(self._open) > OPEN:
                self._open.popitem(last=False)
        return None if search is None else _choice(search, event)


def _choice(search: Event, then: Event) -> Choice | None:
    answers = search.body.get("answers", ())
    if len(answers) != 1 or not answers[0]["shown"]:
        return None
    answer = answers[0]
    found = {one["tool_id"]: one for one in answer["candidates"]}
    first = answer["shown"][0]
    called = then.body.get("tool_id") if then.kind is EventKind.CALL else None
    reward = float(called == first and then.outcome is Outcome.OK)
    share = found[first]["stages"].get(FIRST)
    by = str(answer.get("decided_by", "")).partition(" ")
    return Choice(
        search.at,
        search.session_id or "",
        by[2] if by[0] == "embedded" else by[0],
        reward,
        drawn=share is not None and share < DRAWN_BELOW,
        decision=None if share is None else _decision(search, answer, (first, share, reward)),
        context=answer.get("context", {}),
    )


def _decision(search: Event, answer: Mapping[str, Any], chosen: tuple[str, float, float]) -> Decision | None:
    """None where the candidates' numbers were not noted, or the tool that stood first was not retrieval's to rank."""
    first, share, reward = chosen
    shown = set(answer["shown"])
    noted = [one for one in answer["candidates"] if one["tool_id"] in shown and NOTED in one["stages"]]
    noted.sort(key=lambda one: -one["stages"][NOTED])
    places = [place for place, one in enumerate(noted) if one["tool_id"] == first]
    if not places or len(noted) < 2:  # noqa: PLR2004 - one tool is no choice
        return None
    candidates = tuple(StepCandidate(one["tool_id"], one["stages"][NOTED], one["stages"]) for one in noted)
    return Decision(str(answer["query"]), candidates, places[0], share, reward, session=search.session_id)

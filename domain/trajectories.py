"""Trajectories: the event log as steps for learning, in a form with a version. Pure; both ends of the file use it.

A file is JSON lines: a header, then one step a line, in the order of the log. Steps name the one they follow, so that
the steps of a session, and of sessions that were branched from it, form a forest. Handles and subjects are not in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from domain.canonical import sha256_hex
from domain.events import Actor, Event, EventKind, Outcome, Versions

FORMAT = "toolcrib-trajectories"
VERSION = 1
_PSEUDONYM = 24

Number = float | None


class StepKind(StrEnum):
    """What was done."""

    SEARCH = "search"
    CHECK_OUT = "check_out"
    REMOVAL = "removal"
    CALL = "call"
    ANSWER = "answer"
    FEEDBACK = "feedback"


@dataclass(frozen=True, slots=True)
class StepCandidate:
    """One tool that was to be had, with what was known of it. `query`: which of the step's queries it answers."""

    tool_id: str
    score: float = 0.0
    stages: Mapping[str, float] = field(default_factory=dict)
    query: int = 0
    shown: bool = True


@dataclass(frozen=True, slots=True)
class Step:
    """One decision and what came of it.

    `propensity`: the probability of `action` under whoever took it, None where nobody knows. `action` by kind: search
    `{shown}`; check-out and removal `{added, removed, evicted, reason}`; call `{tool_id, server}`; feedback
    `{of, success, checklist}`. `memory`: ids of the tools held before. `budget`: what was left, None for no bound.
    `context`: numbers of the decision itself that whoever took it looked at, by name.
    """

    id: str
    kind: StepKind
    seq: int = 0
    parent_id: str | None = None
    session: str | None = None
    at: float = 0.0  # epoch seconds
    actor: Actor = Actor.GATEWAY
    queries: tuple[str, ...] = ()
    candidates: tuple[StepCandidate, ...] = ()
    memory: tuple[str, ...] = ()
    action: Mapping[str, Any] = field(default_factory=dict)
    propensity: Number = None
    outcome: Outcome = Outcome.OK
    latency_ms: float = 0.0
    cost: float = 0.0  # estimated tokens
    budget: Mapping[str, Number] = field(default_factory=dict)
    context: Mapping[str, float] = field(default_factory=dict)
    arguments_hash: str | None = None
    arguments: Mapping[str, Any] | None = None  # only where the tenant wants them kept
    versions: Versions = field(default_factory=Versions)


def header(source: str) -> dict[str, Any]:
    """The first line of a file. `source`: what wrote it."""
    return {"format": FORMAT, "version": VERSION, "source": source}


def step_json(step: Step) -> dict[str, Any]:
    """One line. What is empty is left out; `propensity` never is, nor that a call had no arguments."""
    row = {name: value for name, value in asdict(step).items() if value not in ((), {}, None, "")}
    kept = {} if step.arguments is None else {"arguments": step.arguments}
    return {**row, **kept, "propensity": step.propensity}


def step_of(seq: int, event: Event) -> Step | None:
    """The step that an event is; None for what is no decision of a session or a caller."""
    make = _MADE_FROM.get(event.kind)
    if make is None:
        return None
    kind, parts = make(event.body)
    return Step(
        id=event.id,
        kind=kind,
        seq=seq,
        parent_id=event.parent_id,
        session=pseudonym(event.tenant, event.session_id),
        at=event.at,
        actor=event.actor,
        memory=tuple(event.body.get("memory", ())),
        propensity=event.known_propensity,
        outcome=event.outcome,
        latency_ms=event.latency_ms,
        cost=event.cost,
        budget=event.body.get("budget", {}),
        versions=event.versions,
        **parts,
    )


def pseudonym(tenant: str, handle: str | None) -> str | None:
    """What stands for a session in a file: equal for equal handles, and of no use to anybody who has none."""
    return None if handle is None else sha256_hex(f"{tenant}\n{handle}")[:_PSEUDONYM]


def _search(body: Mapping[str, Any]) -> tuple[StepKind, dict[str, Any]]:
    answers = body["answers"]
    shown = [tool_id for answer in answers for tool_id in answer["shown"]]
    return StepKind.SEARCH, {
        "queries": tuple(str(answer["query"]) for answer in answers),
        "candidates": tuple(_candidates(answers)),
        "context": answers[0].get("context", {}) if answers else {},
        "action": {"shown": list(dict.fromkeys(shown))},
    }


def _candidates(answers: list[Mapping[str, Any]]) -> Iterator[StepCandidate]:
    for number, answer in enumerate(answers):
        shown = set(answer["shown"])
        for found in answer["candidates"]:
            tool_id = found["tool_id"]
            yield StepCandidate(tool_id, found["score"], found["stages"], number, tool_id in shown)


def _memory(body: Mapping[str, Any]) -> tuple[StepKind, dict[str, Any]]:
    left = body["removed"] or body["evicted"] or body["deferred"]
    kind = StepKind.REMOVAL if left and not body["added"] else StepKind.CHECK_OUT
    return kind, {
        "action": {name: body[name] for name in ("added", "removed", "evicted", "refused", "deferred", "reason")}
    }


def _call(body: Mapping[str, Any]) -> tuple[StepKind, dict[str, Any]]:
    return StepKind.CALL, {
        "action": {"tool_id": body["tool_id"], "server": body["server"]},
        "arguments_hash": body.get("arguments_hash"),
        "arguments": body.get("arguments"),
    }


def _answer(_body: Mapping[str, Any]) -> tuple[StepKind, dict[str, Any]]:
    return StepKind.ANSWER, {}


def _feedback(body: Mapping[str, Any]) -> tuple[StepKind, dict[str, Any]]:
    return StepKind.FEEDBACK, {"action": {name: body.get(name) for name in ("of", "success", "checklist")}}


_MADE_FROM = {
    EventKind.SEARCH: _search,
    EventKind.MEMORY: _memory,
    EventKind.CALL: _call,
    EventKind.ANSWER: _answer,
    EventKind.FEEDBACK: _feedback,
}

"""The append-only log of decisions and outcomes, from which policies are trained."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class EventKind(StrEnum):
    """What happened."""

    SEARCH = "search"
    CALL = "call"
    MEMORY = "memory"  # a check-out or a removal
    ANSWER = "answer"  # an agent answered its user, as it told us
    SYNC = "sync"
    FEEDBACK = "feedback"
    DECISION = "decision"  # of a policy in the shadow: it changed nothing
    CONSENT = "consent"  # a person agreed to run a server's command
    REVIEW = "review"  # a person decided about a change of a server: approved, rejected, pinned, another policy
    RESET = "reset"  # a person had what was learnt from outcomes forgotten


class Actor(StrEnum):
    """Who decided. What an agent's, a person's or a model's other choices were worth, nobody here can say."""

    GATEWAY = "gateway"  # a rule of ours, whose probabilities are known
    POLICY = "policy"
    AGENT = "agent"
    PERSON = "person"
    MODEL = "model"


class Outcome(StrEnum):
    """How it ended."""

    OK = "ok"
    TOOL_ERROR = "tool_error"  # the tool answered with isError
    INVALID_ARGUMENTS = "invalid_arguments"  # arguments did not fit the schema
    TIMEOUT = "timeout"
    UPSTREAM_ERROR = "upstream_error"  # unreachable, died, protocol error
    EMPTY = "empty"  # a search that found nothing
    REFUSED = "refused"  # we said no: unknown tool, changed contract, over a limit


def new_id() -> str:
    """The id of an event that is not yet made."""
    return uuid.uuid4().hex


@dataclass(frozen=True, slots=True)
class Versions:
    """What was in force when the decision was taken. Without it a step cannot be trained on."""

    catalogue: str = ""
    index: str = ""
    policy: str = ""
    prompt: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the log. `propensity` is the probability of the action under the actor that took it; where that is
    no rule and no policy of ours it is not known, whatever stands there (`known_propensity`).
    """

    tenant: str
    subject: str
    kind: EventKind
    at: float  # epoch seconds
    session_id: str | None = None
    parent_id: str | None = None  # the event this one follows from: sessions form a forest
    outcome: Outcome = Outcome.OK
    propensity: float = 1.0
    latency_ms: float = 0.0
    versions: Versions = field(default_factory=Versions)
    body: Mapping[str, Any] = field(default_factory=dict)  # JSON: candidates, scores, memory, argument hash ...
    actor: Actor = Actor.GATEWAY
    cost: float = 0.0  # estimated tokens that it put into the agent's context
    id: str = field(default_factory=new_id)

    @property
    def known_propensity(self) -> float | None:
        return self.propensity if self.actor in {Actor.GATEWAY, Actor.POLICY} else None

"""One decision, whoever takes it: need a tool? which one first? what to give back? what next?

A question names the tools that are to be had; the answer is a probability for every action that the question allows,
so nothing can be chosen that was not offered. Refuses to know: how a policy is asked.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from domain.canonical import sha256_hex
from policy_client.http.failures import ModelNonsense
from policy_client.scorer_features import META

MOST_OPTIONS = 32
"""Tools that one question may name: what the scorer has places for."""


@dataclass(frozen=True, slots=True)
class Option:
    """A tool that is to be had. `features`: the scorer's numbers, by name. `held`: it may be given back."""

    tool_id: str
    description: str = ""
    features: Mapping[str, float] = field(default_factory=dict)
    held: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """`calls`: of this session so far, tool id and outcome, the newest last. `context`: the scorer's numbers of it."""

    request: str
    options: tuple[Option, ...]
    calls: tuple[tuple[str, str], ...] = ()
    context: Mapping[str, float] = field(default_factory=dict)

    @property
    def held(self) -> tuple[Option, ...]:
        return tuple(option for option in self.options if option.held)

    @property
    def key(self) -> str:
        """Equal for questions that every policy answers alike."""
        options = [(one.tool_id, one.description, sorted(one.features.items()), one.held) for one in self.options]
        return sha256_hex(repr((self.request, options, self.calls, sorted(self.context.items()))))


@dataclass(frozen=True, slots=True)
class Decision:
    """Probabilities of all actions, together 1. `backend`, `version`: who took it, for the log."""

    calls: Mapping[str, float]  # tool id -> of calling it
    removals: Mapping[str, float]  # held tool id -> of giving it back
    meta: Mapping[str, float]  # answer, search, stop
    backend: str
    version: str

    @property
    def need(self) -> float:
        """How likely a tool is needed: everything but answering and giving up."""
        return 1.0 - self.meta["answer"] - self.meta["stop"]

    @property
    def order(self) -> tuple[str, ...]:
        """The tools, the best first; equals by id."""
        return tuple(sorted(self.calls, key=lambda tool_id: (-self.calls[tool_id], tool_id)))

    @property
    def leaving(self) -> tuple[str, ...]:
        """Held tools that are likelier to be given back than to be called, the likeliest first."""
        behind = [tool_id for tool_id, share in self.removals.items() if share > self.calls[tool_id]]
        return tuple(sorted(behind, key=lambda tool_id: (-self.removals[tool_id], tool_id)))

    @property
    def next(self) -> str:
        """The likeliest action but a removal: a tool's id, or `answer`, `search` or `stop`."""
        return max({**self.calls, **self.meta}.items(), key=lambda item: (item[1], item[0]))[0]


def decision_of(
    question: Question,
    logits: Sequence[float],
    removals: Sequence[float],
    meta: Sequence[float],
    *,
    by: tuple[str, str],
) -> Decision:
    """From one logit per option, per held option, and per action of META; `by`: back-end and version.

    Raises ModelNonsense for numbers that are none: a policy that is broken must not look like one that is unsure.
    """
    everything = [*logits, *removals, *meta]
    if not all(map(math.isfinite, everything)):
        raise ModelNonsense(f"The policy {by[1]} answered with numbers that are none; train it again.")
    highest = max(everything)
    weights = [math.exp(logit - highest) for logit in everything]
    total = sum(weights)
    shares = iter([weight / total for weight in weights])
    return Decision(
        {option.tool_id: next(shares) for option in question.options},
        {option.tool_id: next(shares) for option in question.held},
        dict(zip(META, shares, strict=True)),
        *by,
    )

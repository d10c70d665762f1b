"""What any policy has to pass before it decides anything: it answers, and by nothing but what it is asked.

The digests of a manifest say that a file arrived whole; this says that it does what a policy does on this machine.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from domain.errors import InvalidInput, ModelUnavailable
from policy_client.deciders.embedded import Policy
from policy_client.decision import Decision, Option, Question
from policy_client.scorer_features import CANDIDATE, CONTEXT

TOOLS = 30
TOLERANCE = 1e-3
"""How far a probability may move when the same is asked in another order or company: float32, and int8 in texts."""

ROUNDS = 20
_BY = "self-test"


def self_test(policy: Policy) -> float:
    """The 95th percentile of a decision's seconds over TOOLS candidates. Raises InvalidInput, saying what is wrong."""
    questions = _questions()
    try:
        alone = [policy.decide([one], _BY)[0] for one in questions]
        together = policy.decide(questions, _BY)
        turned = policy.decide([replace(one, options=one.options[::-1]) for one in questions], _BY)
        took = [_timed(policy, questions[n % len(questions)]) for n in range(ROUNDS)]
    except ModelUnavailable as error:
        raise InvalidInput(f"The policy fails its self-test: {error.message}") from error
    _require_alike(alone, together, "it decides otherwise when several are asked together")
    _require_alike(alone, turned, "it decides otherwise when the tools come in another order")
    return float(np.percentile(took, 95))


def _require_alike(one: Sequence[Decision], other: Sequence[Decision], complaint: str) -> None:
    worst = max(abs(a.calls[tool] - b.calls[tool]) for a, b in zip(one, other, strict=True) for tool in a.calls)
    if worst > TOLERANCE:
        raise InvalidInput(
            f"The policy fails its self-test: {complaint}, by {worst:.2g} of a probability. Train it again."
        )


def _timed(policy: Policy, question: Question) -> float:
    began = time.perf_counter()
    policy.decide([question], _BY)
    return time.perf_counter() - began


def _questions() -> list[Question]:
    """The same ones every time: of two tools, a few, and as many as a search asks about."""
    chance = np.random.default_rng(0)
    made = []
    for count in (2, 5, TOOLS):
        options = tuple(
            Option(f"room__tool_{n}", f"Fetches record {n}.", dict(zip(CANDIDATE, chance.normal(size=10), strict=True)))
            for n in range(count)
        )
        context = dict(zip(CONTEXT, chance.normal(size=9), strict=True))
        made.append(Question("fetch the third record", options, (("room__tool_1", "ok"),), context))
    return made

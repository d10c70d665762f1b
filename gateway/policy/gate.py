"""The promotion gate: what a policy has to show before it decides for a tenant.

To stand in the shadow it has to be whole, to fit this version, to pass its self-test and to be quick. To decide, in a
canary or live, it also has to be better than what decides now, by the doubly robust estimate on the tenant's own
searches whose first place was drawn (gateway/policy/first_place.py): the 95 % interval of the difference lies above 0.
Both policies are judged on the same searches, so what these have in common leaves the difference (a paired estimate).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import numpy as np

from domain.errors import PolicyRefused
from gateway.policy.choices import Choice
from policy_client.artefact import Manifest
from policy_client.deciders.embedded import Policy, version_of
from policy_client.decision import Option, Question
from policy_client.ope.choices import Decision, Probabilities
from policy_client.ope.estimators import (
    FLOOR,
    Estimate,
    Logged,
    Vector,
    by_session,
    doubly_robust_terms,
    effective_sample_size,
)
from policy_client.ope.reward_model import cross_fitted
from policy_client.self_test import self_test

SLOWEST_S = 0.125
"""95 of 100 decisions over 30 candidates: half of what a search waits for a policy in its own process."""

MOST_CHOICES = 20_000
_BATCH = 64
_DIGEST_LENGTH = 64

Texts = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Bench:
    """What a policy is judged by. `standing`: the policy that decides now, None for retrieval."""

    choices: Sequence[Choice]
    standing: Policy | None
    texts: Texts
    tenant: str


def require_sound(policy: Policy) -> dict[str, Any]:
    """What any mode asks for. Raises InvalidInput, PolicyRefused."""
    manifest = policy.manifest
    if not manifest.data:
        raise PolicyRefused("The policy's manifest does not say what it was trained on; train it again.")
    slow_s = self_test(policy)
    if slow_s > SLOWEST_S:
        raise PolicyRefused(
            f"The policy takes {slow_s * 1e3:.0f} ms for a decision over 30 tools and may take {SLOWEST_S * 1e3:.0f}; "
            "serve it with `toolcrib rl serve` on a faster machine, and name that in TOOLCRIB_POLICY_URL."
        )
    return {"data": manifest.data, "features": manifest.features, "latency_ms_p95": round(slow_s * 1e3, 3)}


def require_better(policy: Policy, bench: Bench, floor: float = FLOOR) -> dict[str, Any]:
    """The estimates. Raises PolicyRefused for too little evidence, and for a policy that is not better by it."""
    known = _usable(policy.manifest, bench)
    chosen = [one.decision for one in known if one.decision is not None]
    sessions = [one.session for one in known]
    new, new_size = _terms(chosen, _firsts(policy, known, bench.texts))
    old_firsts = _retrieved(chosen) if bench.standing is None else _firsts(bench.standing, known, bench.texts)
    old, old_size = _terms(chosen, old_firsts)
    if min(new_size, old_size) < floor:
        raise PolicyRefused(
            f"The {len(chosen)} judged searches of tenant {bench.tenant!r} are worth {new_size:.0f} of this policy's "
            f"own and {old_size:.0f} of the present one's, below the floor of {floor:.0f}; let it look on in the "
            "shadow until there are more."
        )
    gain = by_session("difference", new - old, sessions)
    present = "retrieval" if bench.standing is None else version_of(bench.standing.manifest)
    if gain.low <= 0:
        raise PolicyRefused(
            f"By {len(chosen)} judged searches the policy earns {gain.value:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}] "
            f"more than {present}, which is not above 0; let it look on in the shadow, or train a better one."
        )
    return {
        "searches": len(chosen),
        "sessions": len(set(sessions)),
        "effective_sample_size": round(new_size, 1),
        "floor": floor,
        "baseline": present,
        "estimates": {
            "policy": _rounded(by_session("dr", new, sessions)),
            "baseline": _rounded(by_session("dr", old, sessions)),
            "difference": _rounded(gain),
        },
    }


def _usable(manifest: Manifest, bench: Bench) -> list[Choice]:
    """Judged searches whose first place might have been another's; of a policy that was trained on a log, only what
    was logged afterwards: on its own lessons it would look better than it is.
    """
    since = _made_at(manifest) if len(manifest.data) == _DIGEST_LENGTH else 0.0
    known = [one for one in bench.choices if one.decision is not None and one.at >= since][-MOST_CHOICES:]
    if not known:
        raise PolicyRefused(
            f"No judged search of tenant {bench.tenant!r} since this policy was trained drew its first place, so "
            "nobody can tell what another order would have come to; set `toolcrib rl rules --first-place 0.1`."
        )
    return known


def _made_at(manifest: Manifest) -> float:
    try:
        return datetime.fromisoformat(manifest.made_at).timestamp()
    except ValueError as error:
        raise PolicyRefused("The policy's manifest does not say when it was trained; train it again.") from error


def _terms(found: Sequence[Decision], firsts: Sequence[int]) -> tuple[Vector, float]:
    """What each search says of the policy that puts `firsts` first, and their effective sample size."""
    likely = [_certain(first, len(one.candidates)) for first, one in zip(firsts, found, strict=True)]
    models = cross_fitted(found, likely)
    logged = Logged(
        reward=np.array([one.reward for one in found], dtype=float),
        propensity=np.array([one.propensity for one in found], dtype=float),
        target=np.array([p[one.chosen] for p, one in zip(likely, found, strict=True)]),
        model=np.array([q[one.chosen] for q, one in zip(models, found, strict=True)]),
        value=np.array([float(p @ q) for p, q in zip(likely, models, strict=True)]),
    )
    return doubly_robust_terms(logged), effective_sample_size(logged.weights)


def _certain(first: int, count: int) -> Probabilities:
    likely = np.zeros(count)
    likely[first] = 1.0
    return likely


def _retrieved(found: Sequence[Decision]) -> list[int]:
    """Choices keep their candidates in retrieval's order."""
    return [0] * len(found)


def _firsts(policy: Policy, known: Sequence[Choice], texts: Texts) -> list[int]:
    """The place of the tool that the policy would put first, of those that were shown."""
    questions = [_question(one, texts) for one in known]
    firsts = []
    for start in range(0, len(questions), _BATCH):
        batch = questions[start : start + _BATCH]
        for question, decision in zip(batch, policy.decide(batch, "gate"), strict=True):
            ids = [option.tool_id for option in question.options]
            firsts.append(ids.index(decision.order[0]))
    return firsts


def _question(choice: Choice, texts: Texts) -> Question:
    assert choice.decision is not None
    options = tuple(Option(one.tool_id, texts.get(one.tool_id, ""), one.stages) for one in choice.decision.candidates)
    return Question(choice.decision.query, options, (), choice.context or {})


def _rounded(estimate: Estimate) -> dict[str, Any]:
    return {name: value if isinstance(value, str) else round(value, 4) for name, value in asdict(estimate).items()}

"""What must hold of data before anything is trained or estimated on it. Each check raises InvalidInput with a sentence
that says what to do.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from domain.errors import InvalidInput
from domain.trajectories import Step
from policy_client.ope.choices import Decision


def require_one_version(steps: Iterable[Step], *, mixed: bool = False) -> None:
    """Scores of two index versions cannot be compared, nor can what two prompts made of a decision."""
    for part in ("index", "prompt"):
        found = sorted({value for step in steps if (value := getattr(step.versions, part))})
        if len(found) > 1 and not mixed:
            raise InvalidInput(
                f"The log mixes {len(found)} versions of the {part} ({', '.join(found[:3])}); their scores cannot be "
                "compared. Export behind the change (--after), or say --mixed."
            )


def require_decisions(found: Sequence[Decision]) -> None:
    """At least one, and of more than one tool."""
    if not found:
        raise InvalidInput(
            "The log has no decision that names its candidates and the tool that was chosen; there is nothing to learn."
        )
    chosen = {decision.tool_id for decision in found}
    if len(chosen) == 1:
        raise InvalidInput(
            f"Every decision of the log chose {next(iter(chosen))}: from one action nothing can be told about others. "
            "Log more, with exploration."
        )


def require_propensities(found: Sequence[Decision]) -> None:
    missing = sum(1 for decision in found if decision.propensity is None)
    if missing:
        raise InvalidInput(
            f"{missing} of {len(found)} decisions have no propensity: an agent's own choices cannot be re-weighted. "
            "Use decisions of the gateway or of a policy."
        )


def require_rewards(rewards: Sequence[float | None]) -> None:
    """All there, and finite."""
    missing = sum(1 for reward in rewards if reward is None)
    if missing:
        raise InvalidInput(
            f"{missing} of {len(rewards)} decisions have no reward; judge them (POST /sessions/{{id}}/feedback) "
            "or leave them out."
        )
    if any(not math.isfinite(reward) for reward in rewards if reward is not None):
        raise InvalidInput("A reward is not a finite number; the log or the verifier that made it is broken.")

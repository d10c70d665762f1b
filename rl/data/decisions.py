"""Logged choices of one tool among candidates: all that off-policy evaluation and bandit learning need."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from domain.trajectories import Step
from policy_client.ope.choices import Decision
from rl.data.forest import judgements


def decisions(steps: Sequence[Step]) -> list[Decision]:
    """Every step that chose a tool out of candidates it names; the reward is what its feedback says."""
    judged = judgements(steps)
    return list(_decisions(steps, judged))


def _decisions(steps: Iterable[Step], judged: dict[str, float]) -> Iterable[Decision]:
    for step in steps:
        chosen = step.action.get("tool_id")
        places = [n for n, candidate in enumerate(step.candidates) if candidate.tool_id == chosen]
        if places:
            yield Decision(
                query=" ".join(step.queries),
                candidates=step.candidates,
                chosen=places[0],
                propensity=step.propensity,
                reward=judged.get(step.id),
                session=step.session,
                index_version=step.versions.index,
            )

"""Logged bandit feedback, simulated on labelled queries: a softmax over retrieval's scores chooses, the labels judge.

Only the choice that was made is judged, as in a real log; what the other candidates were worth is kept out of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from domain.events import Actor, Versions
from domain.trajectories import Step, StepCandidate, StepKind
from policy_client.ope.choices import Decision


@dataclass(frozen=True, slots=True)
class Labelled:
    """A query with its candidates, best first, and which of them would have been right."""

    query: str
    candidates: tuple[StepCandidate, ...]
    right: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Who chose: a softmax over the scores; now and then (`epsilon`) anything; in a share of the decisions (`canary`) a
    policy that is tried out.
    """

    temperature: float = 0.15
    epsilon: float = 0.1
    canary: float = 0.0

    def probabilities(self, scores: npt.NDArray[np.float64], tried: int | None = None) -> npt.NDArray[np.float64]:
        """Shape of `scores`; sums to 1, and is at least epsilon / candidates everywhere. `tried`: what the policy that
        is tried out would choose; without one it has no share.
        """
        weights = np.exp((scores - scores.max()) / self.temperature)
        canary = self.canary if tried is not None else 0.0
        likely = (1 - self.epsilon - canary) * weights / weights.sum() + self.epsilon / len(scores)
        if tried is not None:
            likely[tried] += canary
        return np.asarray(likely)


def logged(
    queries: Sequence[Labelled],
    dice: np.random.Generator,
    behaviour: Behaviour | None = None,
    tried: Mapping[str, int] | None = None,
) -> list[Decision]:
    """One judged decision per query that has candidates. `tried`: per query the place of the tool that the policy
    which is tried out would choose.
    """
    behaviour = behaviour or Behaviour()
    tried = tried or {}
    made = []
    for asked in queries:
        if not asked.candidates:
            continue
        likely = behaviour.probabilities(
            np.array([candidate.score for candidate in asked.candidates]), tried.get(asked.query)
        )
        chosen = int(dice.choice(len(likely), p=likely))
        made.append(Decision(asked.query, asked.candidates, chosen, float(likely[chosen]), float(asked.right[chosen])))
    return made


def as_steps(found: Sequence[Decision], index_version: str) -> list[Step]:
    """The same as a log's steps: a call by the policy and its judgement, a session each."""
    steps = []
    for number, decision in enumerate(found):
        steps.append(
            Step(
                id=f"call-{number}",
                kind=StepKind.CALL,
                seq=2 * number + 1,
                session=f"session-{number}",
                actor=Actor.POLICY,
                queries=(decision.query,),
                candidates=decision.candidates,
                action={"tool_id": decision.tool_id},
                propensity=decision.propensity,
                versions=Versions(index=index_version),
            )
        )
        judgement: dict[str, Any] = {"of": f"call-{number}", "success": decision.reward, "checklist": {}}
        steps.append(
            Step(
                id=f"judgement-{number}",
                kind=StepKind.FEEDBACK,
                seq=2 * number + 2,
                parent_id=f"call-{number}",
                session=f"session-{number}",
                actor=Actor.PERSON,
                action=judgement,
            )
        )
    return steps

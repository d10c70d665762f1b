"""Logged bandit feedback, simulated on labelled queries: a softmax over retrieval's scores chooses, the labels judge.

Only the choice that was made is judged, as in a real log; what the other candidates were worth is kept out of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from domain.events import Actor, Versions
from domain.trajectories import Step, StepCandidate, StepKind
from rl.data.decisions import Decision


@dataclass(frozen=True, slots=True)
class Labelled:
    """A query with its candidates, best first, and which of them would have been right."""

    query: str
    candidates: tuple[StepCandidate, ...]
    right: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Who chose: a softmax over the scores, now and then (`epsilon`) anything."""

    temperature: float = 0.15
    epsilon: float = 0.1

    def probabilities(self, scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Shape of `scores`; sums to 1, and is at least epsilon / candidates everywhere."""
        weights = np.exp((scores - scores.max()) / self.temperature)
        return np.asarray((1 - self.epsilon) * weights / weights.sum() + self.epsilon / len(scores))


def logged(
    queries: Sequence[Labelled], dice: np.random.Generator, behaviour: Behaviour | None = None
) -> list[Decision]:
    """One judged decision per query that has candidates."""
    behaviour = behaviour or Behaviour()
    made = []
    for asked in queries:
        if not asked.candidates:
            continue
        likely = behaviour.probabilities(np.array([candidate.score for candidate in asked.candidates]))
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

"""What an agent chose from: a gateway's log names candidates where they were found, and the call comes later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from domain.trajectories import Step, StepCandidate, StepKind
from rl.data.forest import Node, forest


def with_offers(steps: Sequence[Step]) -> list[Step]:
    """Every call that names no candidates with those of the newest search before it that showed the tool; the rest, and
    a call of a tool that no search above it showed, as they are.
    """
    offers = {
        node.step.id: _offer(node)
        for root in forest(steps)
        for node in root.below()
        if node.step.kind is StepKind.CALL and not node.step.candidates
    }
    return [replace(step, candidates=offers[step.id]) if step.id in offers else step for step in steps]


def _offer(node: Node) -> tuple[StepCandidate, ...]:
    wanted = node.step.action.get("tool_id")
    above = (step for step in reversed(node.path[:-1]) if step.kind is StepKind.SEARCH)
    return next((step.candidates for step in above if any(one.tool_id == wanted for one in step.candidates)), ())

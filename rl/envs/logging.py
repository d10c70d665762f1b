"""Episodes of a simulated room as a log: the same steps that the gateway exports, from an agent that explores.

For training and tests of training; a real log comes from `toolcrib rl export`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from domain.events import Actor, Outcome, Versions
from domain.trajectories import Step, StepCandidate, StepKind
from policy_client.scorer_features import CANDIDATE, CONTEXT
from rl.data.scorer_steps import GAVE_UP
from rl.envs.baselines import Agent
from rl.envs.family import Instance
from rl.envs.simulate import ANSWER, FIRST_CALL, FIRST_REMOVAL, SEARCH, Episodes, Ints, View

VERSIONS = Versions("simulated", "simulated", "simulated", "explorer")


def logged(
    agent: Agent, instance: Instance, *, episodes: int, explore: float, seed: int, rollouts: int = 1
) -> Iterator[Step]:
    """With probability `explore` any allowed action, all alike; else the agent's. `rollouts`: episodes of each task."""
    chance = np.random.default_rng(seed)
    running = Episodes(instance, chance, episodes // rollouts, rollouts)
    episodes = running.size
    above: list[str | None] = [None] * episodes
    while not running.over.all():
        view = running.view()
        wanted = agent(running, view)
        actions, propensity = _explored(wanted, view, explore, chance)
        going = np.flatnonzero(~running.over)
        before = {name: running.tally[name].copy() for name in ("outcome", "price", "seconds")}
        failures = running.failures.copy()
        running.step(actions)
        for row in going.tolist():
            step = replace(
                _step(row, running.steps, actions, propensity, view, seed),
                queries=(f"task {row // rollouts} of {seed}",),
            )
            spent = {name: float(running.tally[name][row] - before[name][row]) for name in before}
            failed = running.failures[row] > failures[row]
            yield _after(step, above[row], spent, failed=bool(failed))
            above[row] = step.id
            if running.over[row]:
                yield _judged(row, seed, step, success=running.tally["outcome"][row] > 0)


def _explored(wanted: Ints, view: View, explore: float, chance: np.random.Generator) -> tuple[Ints, np.ndarray]:
    allowed = view.allowed.sum(axis=1)
    anything = np.where(view.allowed, chance.random(view.allowed.shape), -1.0).argmax(axis=1)
    actions = np.where(chance.random(len(wanted)) < explore, anything, wanted)
    return actions, explore / allowed + (1 - explore) * (actions == wanted)


def _step(row: int, number: int, actions: Ints, propensity: np.ndarray, view: View, seed: int) -> Step:
    slots = np.flatnonzero(view.there[row]).tolist()
    candidates = tuple(
        StepCandidate(f"tool-{slot}", stages=dict(zip(CANDIDATE, map(float, view.candidates[row, slot]), strict=True)))
        for slot in slots
    )
    kind, action = _action(int(actions[row]))
    return Step(
        id=f"{seed}-{row}-{number}",
        kind=kind,
        session=f"{seed}-{row}",
        actor=Actor.POLICY,
        candidates=candidates,
        action=action,
        propensity=float(propensity[row]),
        context=dict(zip(CONTEXT, map(float, view.context[row]), strict=True)),
        versions=VERSIONS,
    )


def _action(number: int) -> tuple[StepKind, dict[str, object]]:
    if number == ANSWER:
        return StepKind.ANSWER, {}
    if number == SEARCH:
        return StepKind.SEARCH, {}
    if number < FIRST_CALL:
        return StepKind.ANSWER, {GAVE_UP: True}
    if number < FIRST_REMOVAL:
        return StepKind.CALL, {"tool_id": f"tool-{number - FIRST_CALL}"}
    return StepKind.REMOVAL, {"removed": [f"tool-{number - FIRST_REMOVAL}"]}


def _after(step: Step, above: str | None, spent: dict[str, float], *, failed: bool) -> Step:
    return replace(
        step,
        parent_id=above,
        outcome=Outcome.TOOL_ERROR if failed else Outcome.OK,
        latency_ms=1000 * spent["seconds"],
        cost=spent["price"],
    )


def _judged(row: int, seed: int, last: Step, *, success: bool) -> Step:
    return Step(
        id=f"{seed}-{row}-judged",
        kind=StepKind.FEEDBACK,
        session=f"{seed}-{row}",
        parent_id=last.id,
        actor=Actor.PERSON,
        action={"of": last.id, "success": float(success)},
        versions=VERSIONS,
    )

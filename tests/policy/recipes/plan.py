"""The scheduler of plans: random graphs of calls in virtual time, and the same over real MCP servers."""

from __future__ import annotations

import asyncio
import random

from benchmarks.report import Promise
from domain.plan import Plan, PlanStep, critical_path, urgency
from gateway.use_cases.scheduling import Places, run_steps
from tests.policy.virtual_time import run_virtually

GRAPHS = 2000
PLENTY = Places(of_lane=64, in_all=64)
FEW = Places(of_lane=2, in_all=4)


async def run(*, full: bool) -> list[Promise]:  # noqa: ARG001 - the short form is the long one
    dice = random.Random(41)
    free: list[tuple[float, float]] = []
    bound: list[tuple[float, float]] = []
    for _ in range(GRAPHS):
        plan = _graph(dice)
        seconds = {step.id: dice.choice([0.05, 0.2, 1.0, 4.0]) for step in plan.steps}
        lanes = {step.id: dice.choice("ab") for step in plan.steps}
        shortest, longest = critical_path(plan, seconds), sum(seconds.values())
        for places, kept in ((PLENTY, free), (FEW, bound)):
            took = await asyncio.to_thread(run_virtually, _makespan(plan, seconds, lanes, places))
            kept.append((took / shortest, took / longest))
    return [
        Promise("plan_makespan_to_critical_path_where_limits_allow", max(part for part, _ in free), 1.1, "x"),
        Promise(
            "plan_least_makespan_to_critical_path", min(part for part, _ in free + bound), 0.999, "x", at_most=False
        ),
        Promise("plan_makespan_to_sequential", max(part for _, part in free + bound), 1.001, "x"),
    ]


def _graph(dice: random.Random) -> Plan:
    """Up to 20 steps, each of which may need any before it."""
    steps: list[PlanStep] = []
    for number in range(dice.randint(1, 20)):
        before = [step.id for step in steps if dice.random() < 1.5 / (number + 1)]
        steps.append(PlanStep(f"s{number}", "files__read", after=tuple(before)))
    return Plan(tuple(steps))


async def _makespan(plan: Plan, seconds: dict[str, float], lanes: dict[str, str], places: Places) -> float:
    async def work(step: str) -> bool:
        await asyncio.sleep(seconds[step])
        return True

    await run_steps(plan, work, lanes, urgency(plan, seconds), places)
    return asyncio.get_running_loop().time()

"""Plan: several calls at once, each begun as soon as what it needs is answered and its server has a place for it.

Every step is a call as by itself: the same checks, budget, log and limits. Nothing is called before all of the plan is
known to be callable. A step that fails takes with it those that need it, and no other.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from domain.errors import InvalidInput, ToolcribError
from domain.identity import Principal
from domain.plan import Plan, PlanStep, critical_path, urgency
from domain.restart import Attempt
from domain.tools import ToolState
from gateway.use_cases.call import Call, CallAnswer, Invocation
from gateway.use_cases.catalogue import CatalogueReader, ServedTool
from gateway.use_cases.scheduling import Places, run_steps
from gateway.use_cases.sessions import Sessions

_UNKNOWN_S = 1.0  # of a tool that was not called yet

Latencies = Callable[[str, str], Sequence[Attempt]]


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """`parallel`: most calls at one server at once, below the operator's bound."""

    session_id: str | None = None
    timeout_s: float | None = None  # of each call
    parallel: int | None = None
    inline: bool = True


@dataclass(frozen=True, slots=True)
class StepEnd:
    """How a step ended: answered, refused, or not called since it was `skipped`. Seconds from the plan's beginning."""

    step: PlanStep
    answer: CallAnswer | None = None
    error: ToolcribError | None = None
    began_s: float = 0.0
    ended_s: float = 0.0

    @property
    def seconds(self) -> float:
        return self.ended_s - self.began_s


@dataclass(frozen=True, slots=True)
class PlanAnswer:
    """Ends in the plan's order; what it took, what its longest chain took, and what all would have one by one."""

    ends: tuple[StepEnd, ...]
    makespan_s: float
    critical_path_s: float
    sequential_s: float


class Plans:
    """The plan use case."""

    def __init__(
        self, call: Call, catalogue: CatalogueReader, sessions: Sessions, latencies: Latencies, places: Places
    ) -> None:
        self._call = call
        self._catalogue = catalogue
        self._sessions = sessions
        self._latencies = latencies
        self._places = places

    async def __call__(self, principal: Principal, plan: Plan, options: PlanOptions) -> PlanAnswer:
        """Raises InvalidInput for tools that cannot be called, and SessionNotFound; failures of calls are answers."""
        if options.session_id is not None:
            await self._sessions.check(principal, options.session_id)
        tools = await self._tools(principal.tenant, plan)
        expected = {step.id: self._expected(tools[step.tool]) for step in plan.steps}
        running = _Running(self._call, principal, plan, options)
        places = self._places
        if options.parallel is not None:
            places = Places(max(1, min(options.parallel, places.of_lane)), places.in_all)
        lanes = {step.id: tools[step.tool].entry.server for step in plan.steps}
        await run_steps(plan, running.run, lanes, urgency(plan, expected), places)
        return running.answer()

    async def _tools(self, tenant: str, plan: Plan) -> Mapping[str, ServedTool]:
        names = list(dict.fromkeys(step.tool for step in plan.steps))
        tools = await self._catalogue.get_many(tenant, names)
        missing = [name for name in names if name not in tools or tools[name].entry.state is not ToolState.ACTIVE]
        if missing:
            raise InvalidInput(
                f"The plan calls what the catalogue does not have: {', '.join(missing)}. Nothing was called; "
                "search again and use names from the answer."
            )
        return tools

    def _expected(self, tool: ServedTool) -> float:
        recorded = self._latencies(tool.entry.tenant, tool.entry.tool_id)
        return median(attempt.seconds for attempt in recorded) if recorded else _UNKNOWN_S


class _Running:
    """One plan under way."""

    def __init__(self, call: Call, principal: Principal, plan: Plan, options: PlanOptions) -> None:
        self._call = call
        self._principal = principal
        self._plan = plan
        self._options = options
        self._steps = {step.id: step for step in plan.steps}
        self._results: dict[str, Mapping[str, Any]] = {}
        self._ends: dict[str, StepEnd] = {}
        self._began = time.perf_counter()

    async def run(self, step_id: str) -> bool:
        step, began_s = self._steps[step_id], self._now()
        answer = error = None
        try:
            asked = Invocation(
                step.tool,
                step.filled(self._results),
                self._options.session_id,
                self._options.timeout_s,
                inline=self._options.inline,
            )
            answer = await self._call(self._principal, asked)
        except ToolcribError as failure:
            error = failure
        self._ends[step_id] = StepEnd(step, answer, error, began_s, self._now())
        if answer is None or answer.raw.get("isError") is True:
            return False
        self._results[step_id] = answer.raw
        return True

    def answer(self) -> PlanAnswer:
        seconds = {step.id: self._ends[step.id].seconds if step.id in self._ends else 0.0 for step in self._plan.steps}
        return PlanAnswer(
            tuple(self._ends.get(step.id, StepEnd(step)) for step in self._plan.steps),
            self._now(),
            critical_path(self._plan, seconds),
            sum(seconds.values()),
        )

    def _now(self) -> float:
        return time.perf_counter() - self._began

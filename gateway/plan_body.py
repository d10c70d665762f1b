"""A plan as it is sent, over HTTP and over MCP alike."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from domain.plan import Plan, PlanStep
from gateway.use_cases.call import MAX_TIMEOUT_S
from gateway.use_cases.plan import PlanOptions


class StepBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    id: str = Field(min_length=1, max_length=64)
    tool: str = Field(description="The tool's id, as search returned it.")
    arguments: dict[str, Any] = Field(
        default={}, description='`{"$result": STEP, "path": POINTER}` in it stands for what that step answered.'
    )
    after: list[str] = Field(default=[], description="Steps that have to succeed before, beside those referred to.")


class PlanBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    steps: list[StepBody]
    session_id: str | None = None
    timeout_s: float | None = Field(default=None, gt=0, le=MAX_TIMEOUT_S, description="Of each call.")
    parallel: int | None = Field(default=None, ge=1, strict=True, description="Most calls at one server at once.")
    inline: bool = Field(default=True, description="As in `/call`.")

    @property
    def plan(self) -> Plan:
        """Raises InvalidInput."""
        return Plan(tuple(PlanStep(step.id, step.tool, step.arguments, tuple(step.after)) for step in self.steps))

    @property
    def options(self) -> PlanOptions:
        return PlanOptions(self.session_id, self.timeout_s, self.parallel, self.inline)

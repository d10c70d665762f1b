"""A plan's answer as JSON."""

from __future__ import annotations

from typing import Any

from gateway.presenters.answers import call_json
from gateway.use_cases.plan import PlanAnswer, StepEnd


def plan_json(answer: PlanAnswer) -> dict[str, Any]:
    return {
        "steps": [_step(end) for end in answer.ends],
        "makespan_ms": round(answer.makespan_s * 1e3, 3),
        "critical_path_ms": round(answer.critical_path_s * 1e3, 3),
        "sequential_ms": round(answer.sequential_s * 1e3, 3),
    }


def _step(end: StepEnd) -> dict[str, Any]:
    """`status`: ok, tool_error, failed (no answer), skipped (a step that it needs did not succeed)."""
    body: dict[str, Any] = {"id": end.step.id, "tool": end.step.tool, "status": "skipped"}
    if end.answer is not None:
        body |= call_json(end.answer)
        body["status"] = "tool_error" if end.answer.raw.get("isError") is True else "ok"
    elif end.error is not None:
        body |= {"status": "failed", "error": end.error.code, "message": end.error.message}
    else:
        return body
    return body | {"began_ms": round(end.began_s * 1e3, 3), "ended_ms": round(end.ended_s * 1e3, 3)}

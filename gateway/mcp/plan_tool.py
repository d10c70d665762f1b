"""`run_plan`, listed beside the meta-tools only where the operator opted in (`TOOLCRIB_PLAN_TOOL`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from domain.errors import InvalidInput
from gateway.plan_body import PlanBody

RUN_PLAN = "run_plan"

DEFINITION: Mapping[str, Any] = {
    "name": RUN_PLAN,
    "description": "Call several found tools at once. A step starts when those it needs are done; "
    '{"$result": ID, "path": "/content/0/text"} in its arguments stands for what step ID answered.',
    "inputSchema": {
        "type": "object",
        "properties": {
            "steps": {
                "type": "array",
                "minItems": 1,
                "items": {
                    "type": "object",
                    "properties": {
                        "id": {"type": "string"},
                        "tool": {"type": "string"},
                        "arguments": {"type": "object"},
                        "after": {"type": "array", "items": {"type": "string"}},
                    },
                    "required": ["id", "tool"],
                },
            },
            "session": {"type": "string", "description": "handle from an earlier answer"},
        },
        "required": ["steps"],
    },
}


def plan_body(arguments: Mapping[str, Any]) -> PlanBody:
    """What an agent sent. Its answers stay within a context: large results come as their first page."""
    try:
        return PlanBody.model_validate(
            {"steps": arguments.get("steps"), "session_id": arguments.get("session"), "inline": False}
        )
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidInput(f"The plan is not valid at {where!r}: {first['msg']}.") from None

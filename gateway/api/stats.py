"""`/stats`: how the calls of each tool ended, counted from the log."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query

from domain.errors import Forbidden
from domain.experience import ToolRecord
from gateway.api.dependencies import Caller, Crib

router = APIRouter(tags=["trajectories"])


@router.get("/stats")
async def stats(crib: Crib, caller: Caller, limit: Annotated[int, Query(ge=1, le=10_000)] = 1000) -> dict[str, Any]:
    """For admins: the tenant's tools, those called most first."""
    if not caller.is_admin:
        raise Forbidden(
            "Statistics are of everybody's calls, so they take the admin role; ask an admin of this Toolcrib."
        )
    await crib.journal.flush()
    records = await crib.experiences.records(caller.tenant)
    order = sorted(records.items(), key=lambda item: (-item[1].calls, item[0]))[:limit]
    return {"tools": [{"tool_id": tool_id, **_record(record)} for tool_id, record in order], "total": len(records)}


def _record(record: ToolRecord) -> dict[str, Any]:
    return {
        "calls": record.calls,
        "success_rate": round(record.success_rate, 4),
        "common_errors": [{"error": error, "calls": count} for error, count in record.common_errors],
        "mean_latency_ms": round(record.latency_ms / record.calls, 3),
        "last_at": record.last_at,
    }

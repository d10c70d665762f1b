"""`/outcomes`: what calls came to counts when tools are ranked; here it is seen, and forgotten."""

from __future__ import annotations

import time
from typing import Annotated, Any

from fastapi import APIRouter, Query

from domain.errors import Forbidden
from domain.events import Actor, Event, EventKind
from domain.identity import Principal
from domain.outcome_prior import FLOOR, HALF_LIFE_S
from gateway.api.dependencies import Caller, Crib

router = APIRouter(tags=["policy"])


@router.get("/outcomes")
async def outcomes(crib: Crib, caller: Caller) -> dict[str, Any]:
    """For admins: of every tool that was called, decayed counts and the factor of its score, the least first."""
    _require_admin(caller)
    await crib.journal.flush()
    await crib.experiences.catch_up(caller.tenant)
    known = crib.experiences.outcomes(caller.tenant)
    tallies = {} if known is None else known.tallies(time.time())
    order = sorted(tallies.items(), key=lambda item: (item[1].factor, item[0]))
    return {
        "on": crib.settings.outcome_ranking,
        "floor": FLOOR,
        "half_life_s": HALF_LIFE_S,
        "tools": [
            {
                "tool_id": tool_id,
                "succeeded": round(tally.succeeded, 3),
                "failed": round(tally.failed, 3),
                "abandoned": round(tally.abandoned, 3),
                "success": round(tally.success, 4),
                "factor": round(tally.factor, 4),
            }
            for tool_id, tally in order
        ],
    }


@router.delete("/outcomes", status_code=204)
async def reset(crib: Crib, caller: Caller, tool: Annotated[list[str] | None, Query()] = None) -> None:
    """For admins: forget what was counted, of the tools named or of all. It is an event of the log itself, so that
    other gateways and a restart forget it too.
    """
    _require_admin(caller)
    crib.journal.record(
        Event(
            tenant=caller.tenant,
            subject=caller.subject,
            kind=EventKind.RESET,
            at=time.time(),
            actor=Actor.PERSON,
            body={"what": "outcomes", "tools": tool},
        )
    )
    await crib.journal.flush()
    await crib.experiences.catch_up(caller.tenant)


def _require_admin(caller: Principal) -> None:
    if not caller.is_admin:
        raise Forbidden(
            "Outcomes are of everybody's calls, so they take the admin role; ask an admin of this Toolcrib."
        )

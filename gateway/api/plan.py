"""`/plan`: several calls that need each other's results, run in parallel."""

from __future__ import annotations

from fastapi import APIRouter, Response

from gateway.api.dependencies import Caller, Crib
from gateway.plan_body import PlanBody
from gateway.presenters.plans import plan_json
from gateway.wire_json import compact_json

router = APIRouter(tags=["call"])


@router.post("/plan", response_class=Response, responses={200: {"content": {"application/json": {}}}})
async def plan(body: PlanBody, crib: Crib, caller: Caller) -> Response:
    """The result of every step, and what the plan took against its longest chain and against one call after another."""
    answer = await crib.plans(caller, body.plan, body.options)
    return Response(compact_json(plan_json(answer)), media_type="application/json")

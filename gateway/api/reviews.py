"""`/reviews`: what changed at the servers and waits for somebody to approve or reject it."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from domain.review import HeldStatus
from gateway.api.dependencies import Caller, Crib
from gateway.presenters.reviews import decided_json, launch_review_json, review_json, version_json

router = APIRouter(tags=["reviews"])

Decision = Literal["approve", "reject"]


class DecisionBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    decision: Decision


class DecisionsBody(DecisionBody):
    ids: list[str] = Field(min_length=1, max_length=10_000, description="As `GET /reviews` gave them.")


@router.get("/reviews")
async def listing(
    crib: Crib, caller: Caller, server: str | None = None, status: Literal["waiting", "rejected", "all"] = "waiting"
) -> dict[str, Any]:
    """Each with what is served, what is proposed, the differences field by field, and warnings. An id names one
    content: a tool that its server changes again gets another.
    """
    slug = (await crib.servers.resolve(caller, server)).slug if server else None
    tools = await crib.reviews.tools(caller, slug, None if status == "all" else HeldStatus(status))
    launches = [] if status == "rejected" else await crib.reviews.launches(caller, slug)
    return {"reviews": [*map(launch_review_json, launches), *map(review_json, tools)]}


@router.post("/reviews/{review_id}")
async def decide(review_id: str, body: DecisionBody, crib: Crib, caller: Caller) -> dict[str, Any]:
    """Approve: served from now on. Reject: not served, and not asked about again until its server lists another."""
    decided = await crib.reviews.decide(caller, [review_id], approve=body.decision == "approve")
    return decided_json(decided[0], body.decision)


@router.post("/reviews")
async def decide_all(body: DecisionsBody, crib: Crib, caller: Caller) -> dict[str, Any]:
    """Several at once; one unknown id and nothing is decided."""
    decided = await crib.reviews.decide(caller, list(dict.fromkeys(body.ids)), approve=body.decision == "approve")
    return {"decided": [decided_json(one, body.decision) for one in decided]}


@router.get("/tools/{tool_id}/versions")
async def history(tool_id: str, crib: Crib, caller: Caller) -> dict[str, Any]:
    """Every version that is kept, the newest first: served, held or rejected, when, and by whom."""
    return {"versions": [version_json(version) for version in await crib.reviews.history(caller, tool_id)]}

"""`/policy`: which policy decides, in which mode, and how it fares; `/policy/decide` asks it."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from domain.outcome_prior import OutcomeCounts
from gateway.api.dependencies import Caller, Crib
from gateway.policy.fast_path import FastPath
from gateway.policy.questions import DEPTH
from gateway.use_cases.attempts import RestartTotals
from gateway.use_cases.search import Ask
from index.ports import SearchRequest
from policy_client.router import BackEnd

router = APIRouter(tags=["policy"])


class DecideBody(BaseModel):
    """What is wanted, in words."""

    request: str = Field(description="What the agent is to do next.")
    session_id: str | None = Field(default=None, description="Its session, whose calls the policy looks at.")


@router.get("/policy")
async def policy(crib: Crib, caller: Caller) -> dict[str, Any]:
    """The mode, and every back-end in the order in which it is asked, with its last failure while it lasts."""
    stage = crib.policy
    return {
        "mode": stage.regime.mode,
        "share": stage.regime.share,
        "backends": [_backend(one) for one in stage.router.backends],
        "identical": stage.router.hits,
        "inertia": _inertia(stage.fast, caller.tenant),
        "outcome_ranking": _ranked(crib.experiences.ranked) if crib.settings.outcome_ranking else None,
        "restart_early": _restarts(crib.call.restarts) if crib.settings.restart_early else None,
    }


@router.post("/policy/decide")
async def decide(crib: Crib, caller: Caller, body: DecideBody) -> dict[str, Any]:
    """What the policy would do: is a tool needed, which first, what next. Nothing is called, logged or remembered."""
    ask = Ask((body.request,), session_id=body.session_id)
    if body.session_id is not None:
        await crib.sessions.check(caller, body.session_id)
    decision = await crib.policy.ask(
        SearchRequest(caller.tenant, ask.queries, DEPTH, crib.settings.profile, judge=True, session_id=body.session_id)
    )
    return {
        "decided_by": f"{decision.backend} {decision.version}",
        "need": round(decision.need, 6),
        "next": decision.next,
        "order": [{"tool_id": name, "probability": round(decision.calls[name], 6)} for name in decision.order],
        "meta": {name: round(share, 6) for name, share in decision.meta.items()},
    }


def _inertia(fast: FastPath | None, tenant: str) -> dict[str, Any] | None:
    """None where it is switched off. `threshold`: the confidence from which it answers, null where it never does."""
    if fast is None:
        return None
    counts = fast.counts
    return {
        "threshold": fast.threshold(tenant),
        "asked": counts.asked,
        "answered": counts.answered,
        "hit_rate": round(counts.answered / counts.asked, 4) if counts.asked else 0.0,
    }


def _ranked(counts: OutcomeCounts) -> dict[str, Any]:
    """`hit_rate`: share of the rankings whose order it changed."""
    return {
        "asked": counts.asked,
        "changed": counts.changed,
        "hit_rate": round(counts.changed / counts.asked, 4) if counts.asked else 0.0,
    }


def _restarts(totals: RestartTotals) -> dict[str, Any]:
    """`hit_rate`: share of the calls with an attempt that was cut which a later attempt made good."""
    return {
        "calls": totals.calls,
        "hurried": totals.hurried,
        "rescued": totals.rescued,
        "hit_rate": round(totals.rescued / totals.hurried, 4) if totals.hurried else 0.0,
    }


def _backend(backend: BackEnd) -> dict[str, Any]:
    counts = backend.counts
    return {
        "name": backend.decider.name,
        "version": backend.decider.version,
        "deadline_s": backend.deadline_s,
        "left_alone": backend.circuit.is_open,
        "failure": backend.circuit.last_failure,
        "asked": counts.asked,
        "decided": counts.decided,
        "failed": counts.failed,
        "late": counts.late,
    }

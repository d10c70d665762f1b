"""`/policy`: which policy decides, in which mode, and how it fares; `/policy/decide` asks it; an admin promotes one and
rolls it back.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from domain.errors import Forbidden
from domain.identity import Principal
from domain.outcome_prior import OutcomeCounts
from domain.policy_moves import PolicyMode, PolicyMove
from gateway.api.dependencies import Caller, Crib
from gateway.policy.fast_path import FastPath
from gateway.policy.lifecycle import Wanted
from gateway.policy.monitor import LIMIT, Monitor
from gateway.policy.questions import DEPTH
from gateway.use_cases.attempts import RestartTotals
from gateway.use_cases.search import Ask
from index.ports import SearchRequest
from policy_client.router import BackEnd

router = APIRouter(tags=["policy"])

MOST_MOVES = 50


class DecideBody(BaseModel):
    """What is wanted, in words."""

    request: str = Field(description="What the agent is to do next.")
    session_id: str | None = Field(default=None, description="Its session, whose calls the policy looks at.")


class PromoteBody(BaseModel):
    """A policy's files, or the version of a kept one."""

    model_config = ConfigDict(extra="forbid")

    files: dict[str, str] = Field(default_factory=dict, description="manifest.json, policy.onnx and the rest: base64.")
    version: str = Field(default="", description="Of a policy that is kept already.")
    mode: PolicyMode = Field(default=PolicyMode.SHADOW, description="shadow, canary or live.")
    share: float = Field(default=0.1, description="Share of the sessions in the mode canary.")


class RollbackBody(BaseModel):
    """Why, in words."""

    reason: str = Field(default="", max_length=500)


@router.get("/policy")
async def policy(crib: Crib, caller: Caller) -> dict[str, Any]:
    """The mode, what was promoted and why, every back-end in the order in which it is asked, the versions that are kept
    and the moves so far, the newest first.
    """
    standing = crib.policy.standings.of(caller.tenant)
    moves = await crib.store.policies.moves(caller.tenant)
    return {
        "mode": standing.regime.mode,
        "share": standing.regime.share,
        "version": standing.version,
        "evidence": moves[-1].evidence if moves and standing.version else {},
        "failure": crib.lifecycle.failure(caller.tenant),
        "monitor": _monitor(crib.lifecycle.monitored(caller.tenant)),
        "backends": [_backend(one) for one in standing.router.backends],
        "control": standing.control.version if standing.control is not None else "",
        "identical": standing.router.hits,
        "inertia": _inertia(crib.policy.fast, caller.tenant),
        "outcome_ranking": _ranked(crib.experiences.ranked) if crib.settings.outcome_ranking else None,
        "restart_early": _restarts(crib.call.restarts) if crib.settings.restart_early else None,
        "versions": await crib.store.policies.versions(caller.tenant),
        "history": [_move(one) for one in reversed(moves[-MOST_MOVES:])],
    }


@router.post("/policy/promote")
async def promote(crib: Crib, caller: Caller, body: PromoteBody) -> dict[str, Any]:
    """For admins: put a policy in the shadow, in a canary or live, if the gate lets it through (docs/policy.md)."""
    _require_admin(caller)
    wanted = Wanted(body.mode, body.share, body.files, body.version)
    await crib.journal.flush()
    return _move(await crib.lifecycle.promote(caller.tenant, caller.subject, wanted))


@router.post("/policy/rollback")
async def rollback(crib: Crib, caller: Caller, body: RollbackBody | None = None) -> dict[str, Any]:
    """For admins: bring back what was in force before the policy that is."""
    _require_admin(caller)
    reason = "" if body is None else body.reason
    return _move(await crib.lifecycle.roll_back(caller.tenant, caller.subject, reason=reason))


@router.post("/policy/decide")
async def decide(crib: Crib, caller: Caller, body: DecideBody) -> dict[str, Any]:
    """What the policy would do: is a tool needed, which first, what next. Nothing is called, logged or remembered."""
    ask = Ask((body.request,), session_id=body.session_id)
    request = SearchRequest(caller.tenant, ask.queries, DEPTH, crib.settings.profile, judge=True)
    if body.session_id is not None:
        session, held = await crib.sessions.glance(caller, body.session_id)
        request = replace(request, session_id=session.id, calls_left=held.spent.calls_left(session.budget))
    decision = await crib.policy.ask(request)
    return {
        "decided_by": f"{decision.backend} {decision.version}",
        "need": round(decision.need, 6),
        "next": decision.next,
        "order": [{"tool_id": name, "probability": round(decision.calls[name], 6)} for name in decision.order],
        "meta": {name: round(share, 6) for name, share in decision.meta.items()},
    }


def _require_admin(caller: Principal) -> None:
    if not caller.is_admin:
        raise Forbidden("A policy decides for everybody, so it takes the admin role; ask an admin of this Toolcrib.")


def _move(move: PolicyMove) -> dict[str, Any]:
    """Without the tenant, who is the caller's."""
    return {name: value for name, value in asdict(move).items() if name != "tenant"}


def _monitor(monitor: Monitor | None) -> dict[str, Any] | None:
    """`wager`: at `limit` the policy is rolled back."""
    if monitor is None:
        return None
    earned = round(monitor.earned / monitor.decisions, 4) if monitor.decisions else None
    return {
        "decisions": monitor.decisions,
        "earned": earned,
        "bar": monitor.bar,
        "wager": round(monitor.wager, 3),
        "limit": LIMIT,
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

"""`/sessions`: sessions and their short-term tool memory."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from domain.budgets import Budget
from domain.sessions import MemoryMode, PrunerKind
from gateway.api.dependencies import Caller, Crib
from gateway.presenters.ledger import ledger_json
from gateway.presenters.sessions import change_json, memory_json, session_json
from gateway.use_cases.feedback import Judgement
from gateway.use_cases.session_options import SessionOptions
from gateway.use_cases.sessions import MemoryEdit

router = APIRouter(tags=["sessions"])


class BudgetBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    calls: int | None = Field(default=None, strict=True, description="Most calls.")
    tokens: int | None = Field(default=None, strict=True, description="Most tokens of definitions and results.")
    cost: float | None = Field(default=None, description="Most that calls and tokens cost, in the operator's unit.")
    seconds: float | None = Field(default=None, description="Seconds from the session's opening.")
    tools: dict[str, int] = Field(default={}, description="Most calls of single tools, by id.")


class NewSession(BaseModel):
    """Bounds that are none are refused with a sentence by the domain."""

    model_config = ConfigDict(extra="forbid")

    mode: MemoryMode | None = None
    pruner: PrunerKind | None = Field(default=None, description="Who prunes at a turn of workflow and hybrid.")
    max_tools: int | None = Field(default=None, strict=True, description="Most tools, Toolcrib's own among them.")
    max_tokens: int | None = Field(default=None, strict=True, description="Most estimated tokens of what is held.")
    idle_turns: int | None = Field(default=None, strict=True, description="lru: turns without use until a tool leaves.")
    high_water: float | None = Field(default=None, description="cache_aware: share of a limit that starts a batch.")
    low_water: float | None = Field(default=None, description="cache_aware: share of the limits that a batch leaves.")
    ttl_s: float | None = Field(default=None, description="Seconds without use until it expires.")
    budget: BudgetBody | None = Field(default=None, description="What it may spend, at most the operator's bounds.")


class EditBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    add: list[str] = []
    remove: list[str] = []
    pin: list[str] = []
    unpin: list[str] = []


class FeedbackBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    step: str | None = Field(default=None, description="The `step` of a search or a call; none: the whole session.")
    success: float | None = Field(default=None, description="0 to 1: how well it turned out.")
    checklist: dict[str, bool | None] = Field(default={}, description="Item -> passed; null where it did not apply.")
    answered: bool = Field(default=False, description="The agent has answered its user.")
    note: str = ""


@router.post("/sessions", status_code=201)
async def create(body: NewSession, crib: Crib, caller: Caller) -> dict[str, Any]:
    session = await crib.sessions.open(caller, _options(body))
    return await show(session.id, crib, caller)


@router.get("/sessions")
async def listing(
    crib: Crib,
    caller: Caller,
    offset: Annotated[int, Query(ge=0)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> dict[str, Any]:
    found = await crib.sessions.listing(caller, offset=offset, limit=limit)
    whole = await crib.catalogue.tokens(caller.tenant)
    return {
        "sessions": [session_json(session, memory) | ledger_json(memory, whole) for session, memory in found],
        "next": offset + limit if len(found) == limit else None,
    }


@router.get("/sessions/{session_id}")
async def show(session_id: str, crib: Crib, caller: Caller) -> dict[str, Any]:
    """With its net ledger: what the session cost its agent's prompts, and what it spared them."""
    session, memory = await crib.sessions.show(caller, session_id)
    return session_json(session, memory) | ledger_json(memory, await crib.catalogue.tokens(caller.tenant))


@router.delete("/sessions/{session_id}", status_code=204)
async def forget(session_id: str, crib: Crib, caller: Caller) -> None:
    await crib.sessions.forget(caller, session_id)


@router.get("/sessions/{session_id}/memory")
async def memory(session_id: str, crib: Crib, caller: Caller) -> dict[str, Any]:
    """What the session holds, since when, why, how large and how often used."""
    session, memory = await crib.sessions.show(caller, session_id)
    return memory_json(session, memory) | ledger_json(memory, await crib.catalogue.tokens(caller.tenant))


@router.post("/sessions/{session_id}/memory")
async def edit(session_id: str, body: EditBody, crib: Crib, caller: Caller) -> dict[str, Any]:
    """Add, remove, pin and unpin by exact name; unknown removals are reported, unknown additions refused."""
    return change_json(await crib.sessions.edit(caller, session_id, MemoryEdit(**body.model_dump())))


def _options(body: NewSession) -> SessionOptions:
    budget = None if body.budget is None else Budget(**body.budget.model_dump())
    return SessionOptions(**body.model_dump(exclude={"budget"}), budget=budget)


@router.post("/sessions/{session_id}/feedback", status_code=201)
async def feedback(session_id: str, body: FeedbackBody, crib: Crib, caller: Caller) -> dict[str, Any]:
    """Say how a step or the session turned out; it goes into the log, from which policies learn."""
    return {"id": await crib.feedback(caller, session_id, Judgement(**body.model_dump()))}

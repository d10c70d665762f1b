"""`/sessions`: sessions and their short-term tool memory."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from domain.sessions import MemoryMode
from gateway.api.dependencies import Caller, Crib
from gateway.presenters import change_json, memory_json, session_json

router = APIRouter(tags=["sessions"])


class NewSession(BaseModel):
    model_config = ConfigDict(extra="forbid")

    mode: MemoryMode | None = None
    max_tools: int | None = Field(default=None, description="Most tools the session holds, 1 to 4096.")


class MemoryEdit(BaseModel):
    model_config = ConfigDict(extra="forbid")

    add: list[str] = []
    remove: list[str] = []
    pin: list[str] = []


@router.post("/sessions", status_code=201)
async def create(body: NewSession, crib: Crib, caller: Caller) -> dict[str, Any]:
    session = await crib.sessions.open(caller, mode=body.mode, max_tools=body.max_tools)
    return session_json(*await crib.sessions.show(caller, session.id))


@router.get("/sessions")
async def listing(
    crib: Crib,
    caller: Caller,
    offset: Annotated[int, Query(ge=0)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> dict[str, Any]:
    found = await crib.sessions.listing(caller, offset=offset, limit=limit)
    return {
        "sessions": [session_json(session, memory) for session, memory in found],
        "next": offset + limit if len(found) == limit else None,
    }


@router.get("/sessions/{session_id}")
async def show(session_id: str, crib: Crib, caller: Caller) -> dict[str, Any]:
    return session_json(*await crib.sessions.show(caller, session_id))


@router.delete("/sessions/{session_id}", status_code=204)
async def forget(session_id: str, crib: Crib, caller: Caller) -> None:
    await crib.sessions.forget(caller, session_id)


@router.get("/sessions/{session_id}/memory")
async def memory(session_id: str, crib: Crib, caller: Caller) -> dict[str, Any]:
    """What the session holds, since when, why, how large and how often used."""
    return memory_json(*await crib.sessions.show(caller, session_id))


@router.post("/sessions/{session_id}/memory")
async def edit(session_id: str, body: MemoryEdit, crib: Crib, caller: Caller) -> dict[str, Any]:
    """Add, remove and pin by exact tool id; unknown removals are reported, unknown additions refused."""
    change = await crib.sessions.edit(caller, session_id, add=body.add, remove=body.remove, pin=body.pin)
    return change_json(change)

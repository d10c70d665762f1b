"""`/trajectories`: the event log for learning, in its versioned form; `/events`: the same log as it was written."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from domain.errors import Forbidden
from domain.identity import Principal
from domain.log_rules import LogRules, QueryText
from domain.trajectories import header, step_json, step_of
from gateway.api.dependencies import Caller, Crib
from gateway.wiring import Toolcrib
from store.events import LoggedEvent

router = APIRouter(tags=["trajectories"])

_PAGE = 500
_NDJSON = "application/x-ndjson"

After = Annotated[int, Query(ge=0, description="Only what was logged behind this number.")]


class RulesBody(BaseModel):
    """What is null goes back to the operator's default; what is left out stays as it is."""

    model_config = ConfigDict(extra="forbid")

    retention_days: float | None = Field(default=None, gt=0)
    max_events: int | None = Field(default=None, ge=1)
    queries: QueryText | None = None
    arguments: bool | None = None
    exploration: float | None = None
    first_place: float | None = None


@router.get("/trajectories")
async def trajectories(crib: Crib, caller: Caller, after: After = 0) -> StreamingResponse:
    """A header, then every decision, oldest first: the tenant's for an admin, for others their own."""
    await crib.journal.flush()
    return StreamingResponse(_steps(crib, caller, after), media_type=_NDJSON)


@router.get("/events")
async def events(crib: Crib, caller: Caller, after: After = 0) -> StreamingResponse:
    """Every event as it was written, consents and syncs too: the tenant's for an admin, for others their own."""
    await crib.journal.flush()
    return StreamingResponse(_events(crib, caller, after), media_type=_NDJSON)


@router.get("/trajectories/rules")
async def rules(crib: Crib, caller: Caller) -> dict[str, Any]:
    """What the log keeps of this tenant, how much, and for how long."""
    return _rules_json(crib.keeper.rules(caller.tenant))


@router.patch("/trajectories/rules")
async def change_rules(body: RulesBody, crib: Crib, caller: Caller) -> dict[str, Any]:
    """Change them. Raises Forbidden for callers who are no admin."""
    if not caller.is_admin:
        raise Forbidden("Rules of the log are an admin's to change.")
    return _rules_json(await crib.keeper.change(caller.tenant, body.model_dump(exclude_unset=True)))


async def _steps(crib: Toolcrib, caller: Principal, after: int) -> AsyncIterator[str]:
    yield json.dumps(header(f"gateway {caller.tenant}")) + "\n"
    async for logged in _logged(crib, caller, after):
        step = step_of(logged.seq, logged.event)
        if step is not None:
            yield json.dumps(step_json(step), separators=(",", ":")) + "\n"


async def _events(crib: Toolcrib, caller: Principal, after: int) -> AsyncIterator[str]:
    async for logged in _logged(crib, caller, after):
        yield json.dumps({"seq": logged.seq, **asdict(logged.event)}, default=str) + "\n"


async def _logged(crib: Toolcrib, caller: Principal, after: int) -> AsyncIterator[LoggedEvent]:
    while page := await crib.store.events.read(caller.tenant, after=after, limit=_PAGE):
        for logged in page:
            if caller.is_admin or logged.event.subject == caller.subject:
                yield logged
        after = page[-1].seq


def _rules_json(rules: LogRules) -> dict[str, Any]:
    return asdict(rules)

"""`/trajectories`: the event log as JSON lines."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import asdict

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from domain.identity import Principal
from gateway.api.dependencies import Caller, Crib
from gateway.wiring import Toolcrib

router = APIRouter(tags=["trajectories"])

_PAGE = 500


@router.get("/trajectories")
async def export(crib: Crib, caller: Caller) -> StreamingResponse:
    """Every event, oldest first, one JSON object per line: the tenant's for an admin, for others their own."""
    await crib.journal.flush()
    return StreamingResponse(_lines(crib, caller), media_type="application/x-ndjson")


async def _lines(crib: Toolcrib, caller: Principal) -> AsyncIterator[str]:
    after = 0
    while True:
        page = await crib.store.events.read(caller.tenant, after=after, limit=_PAGE)
        for logged in page:
            after = logged.seq
            if not caller.is_admin and logged.event.subject != caller.subject:
                continue
            yield json.dumps({"seq": logged.seq, **asdict(logged.event)}, default=str) + "\n"
        if len(page) < _PAGE:
            return

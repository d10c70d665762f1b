"""`/tools`: the catalogue, paged and filterable."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query

from domain.errors import ToolNotFound
from domain.tools import ToolState
from gateway.api.dependencies import Caller, Crib
from gateway.presenters import tool_json

router = APIRouter(tags=["tools"])


@router.get("/tools")
async def page(
    crib: Crib,
    caller: Caller,
    server: str | None = None,
    state: ToolState | None = None,
    after: str = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> dict[str, Any]:
    """Tools in order of their id; pass `next` as `after` for the following page."""
    entries = await crib.store.catalogue.page(caller.tenant, server=server, state=state, after=after, limit=limit)
    fresh = crib.freshness
    return {
        "tools": [tool_json(entry, fresh.last_verified(entry.tenant, entry.server)) for entry in entries],
        "next": entries[-1].tool_id if len(entries) == limit else None,
    }


@router.get("/tools/{tool_id}")
async def show(tool_id: str, crib: Crib, caller: Caller) -> dict[str, Any]:
    found = (await crib.catalogue.get_many(caller.tenant, [tool_id])).get(tool_id)
    if found is None:
        raise ToolNotFound
    return tool_json(found.entry, crib.freshness.last_verified(caller.tenant, found.entry.server))

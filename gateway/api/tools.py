"""`/tools`: the catalogue, paged and filterable."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from domain.tools import CatalogueTool, ToolState
from gateway.api.dependencies import Caller, Crib
from gateway.mcp.passthrough import listed_beside
from gateway.presenters.answers import tool_json
from gateway.use_cases.naming import KEEP
from gateway.use_cases.reviews import Marks
from gateway.wiring import Toolcrib

router = APIRouter(tags=["tools"])


class ToolChange(BaseModel):
    """What operators lay over a tool."""

    model_config = ConfigDict(extra="forbid")

    alias: str | None = Field(default=None, description="1 to 64 of A-Z, a-z, 0-9, `-` and `_`, without `__`.")
    pinned: bool = Field(default=False, description="Keep the version that is served, whatever its server lists.")
    description: str | None = Field(default=None, description="What agents read, and search, instead of the server's.")


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
    marks = await crib.reviews.marks(caller)
    return {
        "tools": [_shown(crib, entry, marks) for entry in entries],
        "next": entries[-1].tool_id if len(entries) == limit else None,
    }


@router.get("/listing")
async def listing(crib: Crib, caller: Caller) -> dict[str, Any]:
    """What the MCP surface lists beside its meta-tools: in passthrough the whole catalogue, else nothing."""
    return {"tools": await listed_beside(crib, caller)}


@router.get("/tools/{tool_id}")
async def show(tool_id: str, crib: Crib, caller: Caller) -> dict[str, Any]:
    """One tool, by id or alias; `definition` is the server's own, whatever is laid over it."""
    return _shown(crib, await crib.naming.show(caller, tool_id), await crib.reviews.marks(caller))


@router.patch("/tools/{tool_id}")
async def change(tool_id: str, body: ToolChange, crib: Crib, caller: Caller) -> dict[str, Any]:
    """Name or describe a tool anew for agents. What is absent stays, null takes the server's own again."""
    given = body.model_fields_set
    if "pinned" in given:
        await crib.reviews.pin(caller, tool_id, pinned=body.pinned)
    entry = await crib.naming.change(
        caller,
        tool_id,
        alias=body.alias if "alias" in given else KEEP,
        description=body.description if "description" in given else KEEP,
    )
    return _shown(crib, entry, await crib.reviews.marks(caller))


def _shown(crib: Toolcrib, entry: CatalogueTool, marks: Marks) -> dict[str, Any]:
    shown = tool_json(entry, crib.freshness.last_verified(entry.tenant, entry.server))
    return {**shown, "pinned": entry.tool_id in marks.pinned, "change_held": entry.tool_id in marks.held}

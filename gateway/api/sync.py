"""Sync now, and the history of syncs."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query

from domain.errors import Conflict
from gateway.api.dependencies import Caller, Crib
from gateway.presenters.answers import run_json

router = APIRouter(tags=["sync"])


@router.post("/servers/{server:path}/sync")
async def sync_now(server: str, crib: Crib, caller: Caller, *, full: bool = False) -> dict[str, Any]:
    """List the server now and bring the catalogue level. A failed sync is a run with an `error`, not an HTTP error."""
    known = await crib.servers.resolve(caller, server)
    if not known.enabled:
        raise Conflict(f"Server {known.slug!r} is disabled; enable it before syncing it.")
    run = await crib.engine.sync_server(known.tenant, known.slug, trigger="command", full=full)
    return run_json(run)


@router.get("/sync/runs")
async def history(
    crib: Crib, caller: Caller, server: str | None = None, limit: Annotated[int, Query(ge=1, le=500)] = 50
) -> dict[str, Any]:
    slug = (await crib.servers.resolve(caller, server)).slug if server else None
    runs = await crib.store.runs.list(caller.tenant, server=slug, limit=limit)
    return {"runs": [run_json(run) for run in runs]}


@router.get("/sync/progress")
async def progress(crib: Crib) -> dict[str, int]:
    """Texts embedded, and found in the cache, since the gateway started: for a live view of a sync."""
    counters = crib.index.counters
    return {"embedded": counters.embedded, "cached": counters.cached}

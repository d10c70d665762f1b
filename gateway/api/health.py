"""`/healthz` and `/readyz`."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from domain.errors import ToolcribError
from gateway.api.dependencies import Crib
from gateway.wiring import Toolcrib

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def alive() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/readyz")
async def ready(crib: Crib, response: Response) -> dict[str, Any]:
    """Each part on its own: 200 when all are ready, else 503 with the reason."""
    parts: dict[str, str] = {}
    try:
        head = await crib.store.changes.head()
        parts["store"] = "ok"
    except ToolcribError as error:
        parts["store"] = error.message
    else:
        parts["index"] = await _index(crib, head)
    is_ready = parts == {"store": "ok", "index": "ok"}
    response.status_code = 200 if is_ready else 503
    return {"ready": is_ready, "parts": parts}


async def _index(crib: Toolcrib, head: int) -> str:
    """While a Qdrant server is away its standby answers: to take this gateway out would help nobody."""
    try:
        behind = head - await crib.index.cursor()
    except ToolcribError as error:
        if crib.index.standby is None:
            return error.message
        behind = head - await crib.index.standby.cursor()
    return "ok" if behind <= 0 else f"{behind} changes behind"

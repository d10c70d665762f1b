"""`/healthz` and `/readyz`."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from domain.errors import ToolcribError
from gateway.api.dependencies import Crib

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
        behind = head - await crib.index.cursor()
        parts["index"] = "ok" if behind <= 0 else f"{behind} changes behind"
    except ToolcribError as error:
        parts["store" if "store" not in parts else "index"] = error.message
    is_ready = parts == {"store": "ok", "index": "ok"}
    response.status_code = 200 if is_ready else 503
    return {"ready": is_ready, "parts": parts}

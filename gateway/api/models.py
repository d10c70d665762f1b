"""`/models`: which models answer, and how they fare."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter

from gateway.api.dependencies import Crib

router = APIRouter(tags=["models"])


@router.get("/models")
async def models(crib: Crib, *, probe: bool = False) -> dict[str, Any]:
    """The embedder that answers, and every model behind a URL with its last failure while it lasts; `probe` asks each
    of them something small first.
    """
    if probe:
        await asyncio.gather(crib.index.warm_up(), crib.models.probe())
    embedder = {"wanted": crib.settings.embedder, "is_current": crib.index.is_current, "state": crib.index.state}
    return {"embedder": embedder, "models": crib.models.states()}

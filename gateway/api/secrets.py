"""`/secrets`: the keys that seal credentials. No route shows a credential or a key."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from gateway.api.dependencies import Caller, Crib

router = APIRouter(tags=["secrets"])


@router.post("/secrets/rotate")
async def rotate(crib: Crib, caller: Caller) -> dict[str, Any]:
    """Seal every credential anew under a new key; requests go on meanwhile."""
    return {"resealed": await crib.credentials.rotate(caller)}

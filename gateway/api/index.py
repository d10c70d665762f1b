"""`/index`: the copy that searches are answered from."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter

from domain.errors import Forbidden
from gateway.api.dependencies import Caller, Crib

router = APIRouter(tags=["index"])


@router.post("/index/reconcile")
async def reconcile(crib: Crib, caller: Caller) -> dict[str, Any]:
    """Compare the whole index with the catalogue now, and repair what differs; says how much that was."""
    if not caller.is_admin:
        raise Forbidden("Repairing the index takes the admin role; ask an admin of this Toolcrib.")
    return asdict(await crib.indexer.reconcile())

"""`/results`: pages of a result that was too large for one answer."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query

from gateway.api.dependencies import Caller, Crib
from gateway.presenters.answers import page_json

router = APIRouter(tags=["call"])


@router.get("/results/{handle}")
async def read(handle: str, crib: Crib, caller: Caller, page: Annotated[int, Query(ge=1)] = 1) -> dict[str, Any]:
    """One page's text, with the number of the next. The pages joined are the whole."""
    return page_json(await crib.results.read(caller, handle, page))

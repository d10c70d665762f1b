"""`/search`: ranked tools with their full schemas."""

from __future__ import annotations

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from gateway.api.dependencies import Caller, Crib
from gateway.presenters.answers import search_json
from gateway.use_cases.search import Ask
from gateway.wire_json import compact_json

router = APIRouter(tags=["search"])


class SearchBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    queries: list[str] = Field(description="One short phrase per needed tool.")
    k: int | None = Field(default=None, strict=True, description="Tools per query, 1 to 100.")
    session_id: str | None = Field(default=None, description="Put what is found into this session's tool memory.")
    new_session: bool = Field(default=False, description="Open a session when none is given.")
    explain: bool = Field(default=False, description="Add scores per stage, filters and the nearest losers.")
    profile: str | None = Field(default=None, description="hybrid, dense, bm25 ...")


@router.post("/search", response_class=Response, responses={200: {"content": {"application/json": {}}}})
async def search(body: SearchBody, crib: Crib, caller: Caller) -> Response:
    """Candidates per query, best first."""
    ask = Ask(tuple(body.queries), body.k, body.session_id, body.profile, body.new_session)
    answer = search_json(await crib.search(caller, ask), explain=body.explain)
    # Serialised here: upstream schemas are plain JSON already, and validating them again would cost more than finding.
    return Response(compact_json(answer), media_type="application/json")

"""`/call`: call a tool through."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from gateway.api.dependencies import Caller, Crib
from gateway.presenters.answers import call_json
from gateway.use_cases.call import MAX_TIMEOUT_S, Invocation
from gateway.wire_json import compact_json

router = APIRouter(tags=["call"])


class CallBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    tool: str = Field(description="The tool's id, as search returned it.")
    arguments: dict[str, Any] = {}
    session_id: str | None = None
    client: str | None = Field(
        default=None, max_length=128, description="Without a session: calls that name the same client share a state."
    )
    inline: bool = Field(
        default=True, description="False: a result too large for an agent's context comes as its first page."
    )
    contract_hash: str | None = Field(
        default=None,
        min_length=16,
        max_length=64,
        pattern="^[0-9a-f]*$",
        description="As search gave it: a tool that means anything else by now is not called.",
    )
    timeout_s: float | None = Field(default=None, gt=0, le=MAX_TIMEOUT_S)


@router.post("/call", response_class=Response, responses={200: {"content": {"application/json": {}}}})
async def call(body: CallBody, crib: Crib, caller: Caller) -> Response:
    """The upstream's result under `result`, untouched, with our metadata beside it.

    One too large to be parsed comes as its first page; `page` says where the others are.
    """
    asked = Invocation(
        body.tool, body.arguments, body.session_id, body.timeout_s, body.client, body.contract_hash, body.inline
    )
    answer = await crib.call(caller, asked)
    return Response(compact_json(call_json(answer)), media_type="application/json")
